from target_python_sdk.types import Option as Option
