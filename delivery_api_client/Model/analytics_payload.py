"""``AnalyticsPayload``, where 1.1.0 had it."""

from target_python_sdk.types import AnalyticsPayload

__all__ = ["AnalyticsPayload"]
