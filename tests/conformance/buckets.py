"""MurmurHash3 x86-32 over UTF-16 code units, and the bucket of a visitor, written from the specification alone.

The tests check the buckets that the cases state. The code is independent of the SDK's hash.
"""

import struct


def _rotated(value, by):
    return (value << by | value >> 32 - by) % 2**32


def murmur3(text):
    """Return the signed hash of ``text`` with seed 0."""
    data = text.encode("utf-16-le", "surrogatepass")
    h = 0
    whole = len(data) - len(data) % 4
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        h ^= _rotated(k * 0xCC9E2D51 % 2**32, 15) * 0x1B873593 % 2**32
        h = (_rotated(h, 13) * 5 + 0xE6546B64) % 2**32
    h ^= _rotated(int.from_bytes(data[whole:], "little") * 0xCC9E2D51 % 2**32, 15) * 0x1B873593 % 2**32
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B % 2**32
    h = (h ^ h >> 13) * 0xC2B2AE35 % 2**32
    h ^= h >> 16
    return h - 2**32 if h >= 2**31 else h


def bucket(client, activity, visitor):
    """Return the visitor's bucket in ``activity``, from 0.00 to 99.99."""
    return abs(murmur3(f"{client}.{activity}.{visitor}.0")) % 10000 / 100
