from target_python_sdk.types import Application as Application
