"""New random ids, and the id that always stands in for a text.

The module ``uuid`` is slow to import and asks which platform this is; a random UUID
needs neither.
"""

import hashlib
import os

#: Names the texts that :func:`uuid_from_text` stands in for.
_NAMESPACE = bytes.fromhex("6f7a1c6e6a0e5d2b9c583f1d0b8f7c11")

#: The digit in front of the fourth group, two of whose bits say that this is a UUID of RFC 4122.
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4))


#: How many ids are made of one draw: as many as most calls need.
_BATCH_SIZE = 6


class UuidGenerator:
    """Random UUIDs (version 4) as text, for one call.

    Drawing random bytes hands the interpreter to another thread, so they are drawn once for
    a call.  They are not kept for the next one: a forked child or a restored snapshot of the
    process would go on with the same.
    """

    __slots__ = ("_digits",)

    def __init__(self) -> None:
        self._digits = os.urandom(16 * _BATCH_SIZE).hex()

    def next(self) -> str:
        """One more."""
        digits = self._digits or os.urandom(16 * _BATCH_SIZE).hex()
        self._digits = digits[32:]
        return _uuid(digits, "4")


def random_uuid() -> str:
    """One by itself."""
    return UuidGenerator().next()


def uuid_from_text(text: str) -> str:
    """The UUID (version 5) of ``text``: the same text always has the same."""
    # SHA-1 is what version 5 means; nothing secret hangs on it.
    digest = hashlib.sha1(_NAMESPACE + text.encode("utf-8", "surrogatepass"))
    return _uuid(digest.hexdigest(), "5")


def _uuid(digits: str, version: str) -> str:
    """The first 32 hexadecimal digits as a UUID of that version."""
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
