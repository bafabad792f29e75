from target_python_sdk.types import MboxResponse as MboxResponse
