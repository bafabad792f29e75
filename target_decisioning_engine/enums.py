"""1.1.0's types of requested locations."""

import enum


class RequestType(enum.Enum):
    """The type of a requested location."""

    MBOX = "mbox"
    VIEW = "view"
    PAGELOAD = "pageLoad"
