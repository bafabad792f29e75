from target_python_sdk.types import QAMode as QAMode
