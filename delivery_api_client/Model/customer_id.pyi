from target_python_sdk.types import CustomerId as CustomerId
