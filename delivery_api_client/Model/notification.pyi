from target_python_sdk.types import Notification as Notification
