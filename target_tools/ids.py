"""New random ids, and the id that always stands in for a text.

The module ``uuid`` is slow to import and asks which platform this is; a random UUID
needs neither.
"""

import hashlib
import os

#: Names the texts that :func:`id_of` stands in for.
_NAMESPACE = bytes.fromhex("6f7a1c6e6a0e5d2b9c583f1d0b8f7c11")


def new_id() -> str:
    """A random UUID (version 4) as text."""
    return _as_uuid(os.urandom(16), 4)


def id_of(text: str) -> str:
    """The UUID (version 5) of ``text``: the same text always has the same."""
    # SHA-1 is what version 5 means; nothing secret hangs on it.
    digest = hashlib.sha1(_NAMESPACE + text.encode("utf-8", "surrogatepass"))
    return _as_uuid(digest.digest()[:16], 5)


def _as_uuid(sixteen: bytes, version: int) -> str:
    digits = sixteen.hex()
    variant = "89ab"[sixteen[8] >> 4 & 3]
    return f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
