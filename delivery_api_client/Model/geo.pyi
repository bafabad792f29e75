from target_python_sdk.types import Geo as Geo
