"""The SDK's own closed sets, as real enumerations."""

import enum


class DecisioningMethod(enum.Enum):
    """Who decides: the edge, this process, or this process where it can and the edge where it must."""

    # The order is part of an error message that 1.1.0's users know.
    HYBRID = "hybrid"
    ON_DEVICE = "on-device"
    SERVER_SIDE = "server-side"
