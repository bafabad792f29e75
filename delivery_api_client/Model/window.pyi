from target_python_sdk.types import Window as Window
