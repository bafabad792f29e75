"""MurmurHash3, with which the edge puts visitors into buckets.

The variant is x86-32 over UTF-16 code units, little-endian, with seed 0. The text that is hashed for a bucket is
``{client}.{activity}.{visitor}.{salt}``.

The algorithm mixes each block of four bytes on its own ("premixing" here) before it chains the blocks. All blocks
are premixed at once in two long integers: every second block occupies a lane of 64 bits, which is wide enough for a
32-bit product. Only the chaining remains in a loop, which halves the time of the textbook algorithm. To save time,
a visitor is also premixed only once and an activity chained only once, however often they are combined.
"""

import struct
from typing import Dict, List, NamedTuple, Tuple

_WORD = 0xFFFFFFFF
_LANE = b"\xff\xff\xff\xff\0\0\0\0"
#: Selects the lower word of each lane, for texts of up to 256 code units.
_SHORT_TEXT_LANES = int.from_bytes(_LANE * 64, "little")


def murmur3_32(text: str, seed: int = 0) -> int:
    """Return the hash of ``text``, a signed 32-bit number.

    Characters outside the Basic Multilingual Plane count as two surrogates and a lone surrogate as itself, as in
    the edge's JavaScript.
    """
    data = _encode(text)
    blocks, tail = _premixed_blocks(data)
    return _finalize(_mix_blocks(seed & _WORD, blocks), tail, len(data))


class HashPrefix(NamedTuple):
    """A text that many hashed texts begin with. Its complete blocks are hashed in advance."""

    hashed: int
    #: The bytes after the last complete block.
    rest: bytes
    #: The length in bytes.
    size: int

    @classmethod
    def of_text(cls, text: str) -> "HashPrefix":
        """Hash the complete blocks of ``text`` with seed 0."""
        data = _encode(text)
        whole = len(data) & ~3
        blocks, _ = _premixed_blocks(data[:whole])
        return cls(_mix_blocks(0, blocks), data[whole:], len(data))


class HashSuffix:
    """A text that many hashed texts end with. It is premixed once and combined with any number of prefixes."""

    def __init__(self, text: str) -> None:
        self._data = _encode(text)
        #: By the rest of the prefix, which is empty or half a block.
        self._premixed: Dict[bytes, Tuple[List[int], int]] = {}

    def bucket(self, prefix: HashPrefix) -> float:
        """Return the bucket of the combined text: 0.00 to 99.99."""
        hashed, rest, size = prefix
        premixed = self._premixed.get(rest)
        if premixed is None:
            premixed = self._premixed[rest] = _premixed_blocks(rest + self._data)
        blocks, tail = premixed
        return abs(_finalize(_mix_blocks(hashed, blocks), tail, size + len(self._data))) % 10000 / 100


def bucket(text: str) -> float:
    """Return the bucket of ``text``: 0.00 to 99.99."""
    return abs(murmur3_32(text)) % 10000 / 100


def _encode(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _mix_blocks(h: int, blocks: List[int]) -> int:
    word = _WORD
    for k in blocks:
        # Two copies of a word side by side, shifted right by 19, end in that word rotated left by 13.
        h = ((h ^ k) * 0x100000001 >> 19) * 5 + 0xE6546B64 & word
    return h


def _finalize(h: int, tail: int, size: int) -> int:
    h ^= tail ^ size
    h = (h ^ h >> 16) * 0x85EBCA6B & _WORD
    h = (h ^ h >> 13) * 0xC2B2AE35 & _WORD
    h ^= h >> 16
    return h - 0x100000000 if h & 0x80000000 else h


def _premixed_blocks(data: bytes) -> Tuple[List[int], int]:
    """Return the premixed blocks of ``data`` and the premixed tail, which is 0 if the last block is complete."""
    lanes = _SHORT_TEXT_LANES if len(data) <= 512 else int.from_bytes(_LANE * (len(data) // 8 + 1), "little")
    words = int.from_bytes(data, "little")
    count = (len(data) + 3) // 4
    joined = _premix(words & lanes, lanes) | _premix(words >> 32 & lanes, lanes) << 32
    blocks = list(struct.unpack("<%dI" % count, joined.to_bytes(count * 4, "little")))
    # A code unit has two bytes, so a tail is one code unit. Padding it with zeros does not change its value.
    return blocks, blocks.pop() if len(data) & 2 else 0


def _premix(k: int, lanes: int) -> int:
    k = k * 0xCC9E2D51 & lanes
    return ((k << 15 | k >> 17) & lanes) * 0x1B873593 & lanes


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
