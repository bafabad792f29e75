from target_python_sdk.types import Browser as Browser
