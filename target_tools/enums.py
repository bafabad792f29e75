"""Enumerations of the SDK."""

import enum


class DecisioningMethod(str, enum.Enum):
    """The place of decisions. A member equals its text: ``DecisioningMethod.ON_DEVICE == "on-device"``."""

    # 1.1.0's error message lists the values in this order.
    HYBRID = "hybrid"
    """This process if its rules suffice, else the edge."""

    ON_DEVICE = "on-device"
    """This process, with the rules it has downloaded."""

    SERVER_SIDE = "server-side"
    """The edge."""

    def __str__(self) -> str:
        return self.value
