"""MurmurHash3, with which the edge puts visitors into buckets.

The variant is x86-32 over UTF-16 code units, little-endian, with seed 0. The text that is hashed for a bucket is
``{client}.{activity}.{visitor}.{salt}``.

If the package ``mmh3`` is installed (the extra ``speedups``), it computes the hash. Otherwise this module does, with
the same result. MurmurHash3 mixes each block of two code units separately (called "premixing" here) before it chains
the blocks.
Ids consist of few different pairs of characters, so premixed blocks are kept in a table, and only the chaining remains.
A visitor is premixed only once and an activity is chained only once, however often they are combined.
"""

import struct
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

_WORD = 0xFFFFFFFF
#: The number of premixed blocks to keep. Letters and digits form 3,844 pairs.
MAX_BLOCKS = 8192


def _find_native_hash() -> Optional[Callable[[bytes, int], int]]:
    """Return the hash function of ``mmh3``, or None. It takes bytes and a seed, and returns a signed 32-bit number."""
    try:
        from mmh3 import hash as native  # pyright: ignore[reportMissingImports]  # noqa: PLC0415 - optional
    except ImportError:
        return None
    found: Callable[[bytes, int], int] = native
    return found


native_hash = _find_native_hash()


def murmur3_32(text: str, seed: int = 0) -> int:
    """Return the hash of ``text``, a signed 32-bit number.

    Characters outside the Basic Multilingual Plane count as two surrogates and a lone surrogate as itself, as in
    the edge's JavaScript.
    """
    if native_hash is not None:
        return native_hash(_encode(text), seed & _WORD)
    units = _code_units(text)
    blocks, tail = _premixed_blocks(units)
    return _finalize(_mix_blocks(seed & _WORD, blocks), tail, 2 * len(units))


class HashPrefix(NamedTuple):
    """A text that many hashed texts begin with. Its complete blocks are hashed in advance."""

    hashed: int
    #: The code unit after the last complete block, or an empty text.
    rest: str
    #: The number of code units.
    size: int
    #: The text as ``mmh3`` hashes it.
    data: bytes

    @classmethod
    def of_text(cls, text: str) -> "HashPrefix":
        """Hash the complete blocks of ``text`` with seed 0."""
        units = _code_units(text)
        whole = len(units) & ~1
        blocks, _ = _premixed_blocks(units[:whole])
        return cls(_mix_blocks(0, blocks), units[whole:], len(units), _encode(text))


class HashSuffix:
    """A text that many hashed texts end with. Its blocks are premixed once, and reused for any number of prefixes."""

    __slots__ = ("_data", "_premixed", "_units")

    def __init__(self, text: str) -> None:
        if native_hash is not None:
            self._data = _encode(text)
        else:
            self._units = _code_units(text)
            #: The premixed blocks and tail, by the rest of the prefix.
            self._premixed: Dict[str, Tuple[List[int], int]] = {}

    def bucket(self, prefix: HashPrefix) -> float:
        """Return the bucket of the combined text: 0.00 to 99.99."""
        if native_hash is not None:
            return abs(native_hash(prefix.data + self._data, 0)) % 10000 / 100
        hashed, rest, size, _ = prefix
        premixed = self._premixed.get(rest)
        if premixed is None:
            premixed = self._premixed[rest] = _premixed_blocks(rest + self._units)
        blocks, tail = premixed
        return abs(_finalize(_mix_blocks(hashed, blocks), tail, 2 * (size + len(self._units)))) % 10000 / 100


def bucket(text: str) -> float:
    """Return the bucket of ``text``: 0.00 to 99.99."""
    return abs(murmur3_32(text)) % 10000 / 100


def _encode(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _code_units(text: str) -> str:
    """Return ``text`` with one character for each UTF-16 code unit."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    data = _encode(text)
    return "".join(map(chr, struct.unpack(f"<{len(data) // 2}H", data)))


def _mix_blocks(h: int, blocks: List[int]) -> int:
    word = _WORD
    for k in blocks:
        # The last 32 bits of two copies of a word, shifted right by 19, are that word rotated left by 13.
        h = ((h ^ k) * 0x100000001 >> 19) * 5 + 0xE6546B64 & word
    return h


def _finalize(h: int, tail: int, size: int) -> int:
    h ^= tail ^ size
    h = (h ^ h >> 16) * 0x85EBCA6B & _WORD
    h = (h ^ h >> 13) * 0xC2B2AE35 & _WORD
    h ^= h >> 16
    return h - 0x100000000 if h & 0x80000000 else h


class _PremixedBlocks(Dict[Tuple[str, str], int]):
    """Maps two code units to their premixed block."""

    def __missing__(self, units: Tuple[str, str]) -> int:
        first, second = units
        if len(self) >= MAX_BLOCKS:
            self.clear()
        block = self[units] = _premix(ord(first) | ord(second) << 16)
        return block


_read_block = _PremixedBlocks().__getitem__


def _premixed_blocks(units: str) -> Tuple[List[int], int]:
    """Return the premixed blocks of ``units`` and the premixed tail, which is 0 if the last block is complete."""
    following = iter(units)
    return [*map(_read_block, zip(following, following))], _premix(ord(units[-1])) if len(units) & 1 else 0


def _premix(k: int) -> int:
    k = k * 0xCC9E2D51 & _WORD
    return ((k << 15 | k >> 17) & _WORD) * 0x1B873593 & _WORD


# Names of 1.1.0


def hash_unencoded_chars(s: str, seed: int = 0) -> int:
    """Return the hash of ``s``. Unlike 1.1.0's function, this one caches nothing."""
    return murmur3_32(s, seed)


def hash_unencoded_chars_raw(string_value: str, seed: int = 0) -> int:
    """Return the hash of ``string_value``."""
    return murmur3_32(string_value, seed)


def int32(val: int) -> int:
    """Return the last 32 bits of ``val`` as a signed number."""
    return (val + 0x80000000 & _WORD) - 0x80000000


def mul32(m: int, n: int) -> int:
    """Return the last 32 bits of the product as a signed number."""
    return int32(m * n)


def zero_fill_right_shift(val: int, n: int) -> int:
    """Return ``val >>> n`` as in JavaScript, for a 32-bit number."""
    return (val if val >= 0 else val + 0x100000000) >> n


def char_code_at(string_value: str, index: int) -> int:
    """Return the code point at ``index``."""
    return ord(string_value[index])
