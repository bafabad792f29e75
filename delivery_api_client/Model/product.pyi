from target_python_sdk.types import Product as Product
