from target_python_sdk.types import Context as Context
