"""Enumerations of the SDK."""

import enum


class DecisioningMethod(str, enum.Enum):
    """Where a call is decided. A member equals its text: ``DecisioningMethod.ON_DEVICE == "on-device"``."""

    # 1.1.0's error message lists the values in this order.
    HYBRID = "hybrid"
    """In this process if its rules suffice, else by the edge."""

    ON_DEVICE = "on-device"
    """In this process, with the rules that it has downloaded."""

    SERVER_SIDE = "server-side"
    """By the edge."""

    def __str__(self) -> str:
        return self.value
