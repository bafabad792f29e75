"""``QAMode``, where 1.1.0 had it."""

from target_python_sdk.types import QAMode

__all__ = ["QAMode"]
