from target_python_sdk.types import Order as Order
