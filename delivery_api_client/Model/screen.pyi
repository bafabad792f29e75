from target_python_sdk.types import Screen as Screen
