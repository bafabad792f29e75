"""Random UUIDs and supplemental data ids, and UUIDs derived from a text.

The standard module ``uuid`` is slow to import, because it examines the platform. Nothing here needs that.
"""

import hashlib
import os
import struct
from typing import Callable

#: The namespace of :func:`uuid_from_text`.
_NAMESPACE = bytes.fromhex("6f7a1c6e6a0e5d2b9c583f1d0b8f7c11")

#: Replaces the first digit of the fourth group, of which RFC 4122 fixes two bits.
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4))
_VARIANT_BYTES = {digit.encode(): variant.encode() for digit, variant in _VARIANTS.items()}

#: Splits hexadecimal digits into the parts of UUIDs, with the digits of the version and of the variant alone.
_split = struct.Struct("8s 4s s 3s s 3s 12s").iter_unpack

#: Number of UUIDs made from one read of random bytes. Most calls need no more.
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

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids = _split(_random_bytes(16 * _BATCH_SIZE).hex().encode())

    def next(self) -> str:
        """Return a new UUID."""
        for a, b, _, c, d, e, f in self._ids:
            return (b"%b-%b-4%b-%b%b-%b" % (a, b, c, _VARIANT_BYTES[d], e, f)).decode()
        return self._renewed().next()

    def next_data_id(self) -> str:
        """Return a new supplemental data id: 16 hexadecimal digits, a hyphen, 16 more."""
        for parts in self._ids:
            return (b"%b%b%b%b-%b%b%b" % parts).decode().upper()
        return self._renewed().next_data_id()

    def _renewed(self) -> "UuidGenerator":
        self._ids = UuidGenerator()._ids
        return self


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
