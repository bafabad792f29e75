from target_python_sdk.types import VisitorId as VisitorId
