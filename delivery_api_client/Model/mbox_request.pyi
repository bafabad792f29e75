from target_python_sdk.types import MboxRequest as MboxRequest
