"""Random UUIDs and supplemental data ids, and UUIDs derived from a text.

The standard module ``uuid`` is slow to import, because it examines the platform. Nothing here needs that.
"""

import hashlib
import os
from typing import Callable

#: The namespace of :func:`uuid_from_text`.
_NAMESPACE = bytes.fromhex("6f7a1c6e6a0e5d2b9c583f1d0b8f7c11")

#: Replaces the first digit of the fourth group, of which RFC 4122 fixes two bits.
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4))

#: Number of UUIDs made of one read of random bytes. Most calls need no more.
_BATCH_SIZE = 7


def _find_random_bytes() -> Callable[[int], bytes]:
    """Return a function that reads random bytes from the system.

    ``os.urandom`` releases the interpreter lock for so short a time that another thread wakes up in vain, which slows
    down both. ``os.getrandom`` of Linux does not release it.
    """
    read: Callable[[int], bytes] = getattr(os, "getrandom", os.urandom)
    try:
        read(1)
    except OSError:  # the system call is not allowed or does not exist
        return os.urandom
    return read


_random_bytes = _find_random_bytes()


class UuidGenerator:
    """Generates random UUIDs (version 4) and supplemental data ids as text, for one call.

    Reading random bytes is a system call, so a call reads them once. They are not kept for the next call, because a
    forked child or a restored snapshot of the process would generate the same UUIDs.
    """

    __slots__ = ("_digits",)

    def __init__(self) -> None:
        self._digits = _random_bytes(16 * _BATCH_SIZE).hex()

    def next(self) -> str:
        """Return a new UUID."""
        d = self._digits or _random_bytes(16 * _BATCH_SIZE).hex()
        self._digits = d[32:]
        # The same as _format_uuid. A call needs several UUIDs, and calling the function would double the time.
        return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{_VARIANTS[d[16]]}{d[17:20]}-{d[20:32]}"

    def next_data_id(self) -> str:
        """Return a new supplemental data id: 16 hexadecimal digits, a hyphen, 16 more."""
        d = self._digits or _random_bytes(16 * _BATCH_SIZE).hex()
        self._digits = d[32:]
        return f"{d[:16]}-{d[16:32]}".upper()


def random_uuid() -> str:
    """Return a random UUID (version 4)."""
    return UuidGenerator().next()


def uuid_from_text(text: str) -> str:
    """Return the UUID (version 5) of ``text``, always the same for the same text."""
    # Version 5 is defined with SHA-1. The UUID need not be secret.
    digest = hashlib.sha1(_NAMESPACE + text.encode("utf-8", "surrogatepass"))
    return _format_uuid(digest.hexdigest(), "5")


def _format_uuid(digits: str, version: str) -> str:
    """Return the UUID of that version made of the first 32 hexadecimal digits."""
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
