"""New random ids, and the id that always stands in for a text.

The module ``uuid`` is slow to import and asks which platform this is; a random UUID
needs neither.
"""

import hashlib
import os
from typing import Tuple

#: Names the texts that :func:`id_of` stands in for.
_NAMESPACE = bytes.fromhex("6f7a1c6e6a0e5d2b9c583f1d0b8f7c11")

#: The digit in front of the fourth group, two of whose bits say that this is a UUID of RFC 4122.
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4))


def new_id() -> str:
    """A random UUID (version 4) as text."""
    return _random_uuid(os.urandom(16).hex())


def two_new_ids() -> Tuple[str, str]:
    """Two of them.  Asking the system once is cheaper: each time another thread may take its turn."""
    digits = os.urandom(32).hex()
    return _random_uuid(digits[:32]), _random_uuid(digits[32:])


def _random_uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:]}"


def id_of(text: str) -> str:
    """The UUID (version 5) of ``text``: the same text always has the same."""
    # SHA-1 is what version 5 means; nothing secret hangs on it.
    digest = hashlib.sha1(_NAMESPACE + text.encode("utf-8", "surrogatepass"))
    digits = digest.hexdigest()[:32]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:]}"
