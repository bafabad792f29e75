from target_python_sdk.types import Trace as Trace
