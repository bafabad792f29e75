from target_python_sdk.types import ViewRequest as ViewRequest
