"""``ChannelType``, where 1.1.0 had it."""

from target_python_sdk.types import ChannelType

__all__ = ["ChannelType"]
