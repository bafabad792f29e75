from target_python_sdk.types import View as View
