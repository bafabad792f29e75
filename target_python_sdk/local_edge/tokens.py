"""Tokens that a client hands back without looking into them."""

import base64


def opaque(*parts: object) -> str:
    """Opaque to a client; decoded, it reads as what it stands for."""
    return base64.urlsafe_b64encode(":".join(map(str, parts)).encode()).decode("ascii")
