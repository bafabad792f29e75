"""``NotificationResponse``, where 1.1.0 had it."""

from target_python_sdk.types import NotificationResponse

__all__ = ["NotificationResponse"]
