"""1.1.0's kinds of places that are decided for."""

import enum


class RequestType(enum.Enum):
    """What a part of a request asks for."""

    MBOX = "mbox"
    VIEW = "view"
    PAGELOAD = "pageLoad"
