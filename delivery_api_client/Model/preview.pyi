from target_python_sdk.types import Preview as Preview
