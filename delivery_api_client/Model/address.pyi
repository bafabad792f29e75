from target_python_sdk.types import Address as Address
