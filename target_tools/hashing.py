"""MurmurHash3 as the edge buckets visitors.

Target's own hash is the x86-32 variant over UTF-16 code units, little-endian,
with seed 0.  The text of a bucket is ``{client}.{activity}.{visitor}.{salt}``.

A block's scrambling does not depend on the blocks before it, so all blocks are
scrambled at once, side by side in two long integers: every second block lies in a
lane of 64 bits, wide enough for a 32-bit product.  That halves the time of the
textbook loop; what is left of the loop is the part that is a chain.  For the same reason
a visitor is scrambled once, and an activity chained once, however often the two meet.
"""

import struct
from typing import Dict, List, NamedTuple, Tuple

_WORD = 0xFFFFFFFF
_LANE = b"\xff\xff\xff\xff\0\0\0\0"
#: The lower word of each lane, for texts of up to 256 code units.
_USUAL_LANES = int.from_bytes(_LANE * 64, "little")


def murmur3_32(text: str, seed: int = 0) -> int:
    """The hash of ``text``, a signed 32-bit number.

    Characters beyond the first plane count as their two surrogates, and a lone
    surrogate as itself, as in the JavaScript the edge shares this hash with.
    """
    data = _encoded(text)
    blocks, tail = _scrambled_blocks(data)
    return _finished(_chained(seed & _WORD, blocks), tail, len(data))


class HashPrefix(NamedTuple):
    """What many texts begin with, hashed as far as it fills blocks."""

    hashed: int
    #: What is left of it in front of the next block.
    rest: bytes
    #: Its length in bytes.
    size: int

    @classmethod
    def of_text(cls, text: str) -> "HashPrefix":
        """The beginning ``text``, with seed 0."""
        data = _encoded(text)
        whole = len(data) & ~3
        blocks, _ = _scrambled_blocks(data[:whole])
        return cls(_chained(0, blocks), data[whole:], len(data))


class HashSuffix:
    """What many texts end with: scrambled once, then joined to any number of beginnings."""

    def __init__(self, text: str) -> None:
        self._data = text.encode("utf-16-le", "surrogatepass")
        # By what a beginning leaves over: nothing, or half a block.
        self._scrambled: Dict[bytes, Tuple[List[int], int]] = {}

    def bucket(self, beginning: HashPrefix) -> float:
        """Where the whole text falls among the shares of an activity: 0.00 to 99.99."""
        hashed, rest, size = beginning
        found = self._scrambled.get(rest)
        if found is None:
            found = self._scrambled[rest] = _scrambled_blocks(rest + self._data)
        blocks, tail = found
        return abs(_finished(_chained(hashed, blocks), tail, size + len(self._data))) % 10000 / 100


def bucket(text: str) -> float:
    """Where ``text`` falls among the shares of an activity: 0.00 to 99.99."""
    return abs(murmur3_32(text)) % 10000 / 100


def _encoded(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _chained(h: int, blocks: List[int]) -> int:
    word = _WORD
    for k in blocks:
        # A word twice in a row, shifted right by 19, ends in that word rotated left by 13.
        h = ((h ^ k) * 0x100000001 >> 19) * 5 + 0xE6546B64 & word
    return h


def _finished(h: int, tail: int, size: int) -> int:
    h ^= tail ^ size
    h = (h ^ h >> 16) * 0x85EBCA6B & _WORD
    h = (h ^ h >> 13) * 0xC2B2AE35 & _WORD
    h ^= h >> 16
    return h - 0x100000000 if h & 0x80000000 else h


def _scrambled_blocks(data: bytes) -> Tuple[List[int], int]:
    """The blocks of ``data``, scrambled, and its tail; 0 where there is none."""
    lanes = _USUAL_LANES if len(data) <= 512 else int.from_bytes(_LANE * (len(data) // 8 + 1), "little")
    words = int.from_bytes(data, "little")
    count = (len(data) + 3) // 4
    joined = _scrambled(words & lanes, lanes) | _scrambled(words >> 32 & lanes, lanes) << 32
    blocks = list(struct.unpack("<%dI" % count, joined.to_bytes(count * 4, "little")))
    # Code units are two bytes, so a tail is one of them; zeros up to a block's size leave it as it is.
    return blocks, blocks.pop() if len(data) & 2 else 0


def _scrambled(k: int, lanes: int) -> int:
    k = k * 0xCC9E2D51 & lanes
    return ((k << 15 | k >> 17) & lanes) * 0x1B873593 & lanes


# 1.1.0's names


def hash_unencoded_chars(s: str, seed: int = 0) -> int:
    """The hash of ``s``; nothing is remembered of it."""
    return murmur3_32(s, seed)


def hash_unencoded_chars_raw(string_value: str, seed: int = 0) -> int:
    """The same."""
    return murmur3_32(string_value, seed)


def int32(val: int) -> int:
    """The last 32 bits of ``val``, as a signed number."""
    return (val + 0x80000000 & _WORD) - 0x80000000


def mul32(m: int, n: int) -> int:
    """The product, in 32 bits and with a sign."""
    return int32(m * n)


def zero_fill_right_shift(val: int, n: int) -> int:
    """JavaScript's ``val >>> n`` of a number of 32 bits."""
    return (val if val >= 0 else val + 0x100000000) >> n


def char_code_at(string_value: str, index: int) -> int:
    """The number of the character at ``index``."""
    return ord(string_value[index])
