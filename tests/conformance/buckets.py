"""MurmurHash3 x86-32 over UTF-16 code units, written from the specification alone, and the bucket of a visitor.

This code is independent of the SDK's hash. The tests compare its buckets with the allocations in the cases.
"""

import struct


def _rotate_left(value, bits):
    return (value << bits | value >> 32 - bits) % 2**32


def murmur3(text):
    """Return the signed hash of ``text`` with seed 0."""
    data = text.encode("utf-16-le", "surrogatepass")
    h = 0
    block_end = len(data) - len(data) % 4
    for (k,) in struct.iter_unpack("<I", data[:block_end]):
        h ^= _rotate_left(k * 0xCC9E2D51 % 2**32, 15) * 0x1B873593 % 2**32
        h = (_rotate_left(h, 13) * 5 + 0xE6546B64) % 2**32
    h ^= _rotate_left(int.from_bytes(data[block_end:], "little") * 0xCC9E2D51 % 2**32, 15) * 0x1B873593 % 2**32
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B % 2**32
    h = (h ^ h >> 13) * 0xC2B2AE35 % 2**32
    h ^= h >> 16
    return h - 2**32 if h >= 2**31 else h


def bucket(client, activity, visitor):
    """Return the visitor's bucket in ``activity``, from 0.00 to 99.99."""
    return abs(murmur3(f"{client}.{activity}.{visitor}.0")) % 10000 / 100
