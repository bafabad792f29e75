from target_python_sdk.types import ModelProperty as ModelProperty
