from target_python_sdk.types import LoggingType as LoggingType
