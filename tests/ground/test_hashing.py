"""The hash is the published MurmurHash3 x86-32 over UTF-16 code units."""

import struct
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_tools import hashing
from target_tools.hashing import MAX_BLOCKS, HashPrefix, HashSuffix, bucket, murmur3_32

VISITOR = "acmeclient.1111.702ff4d0-83b1-4e2e-a0a6-22cbe460eb15.experience"


def reference_hash(data: bytes, seed: int = 0) -> int:
    """Return the unsigned MurmurHash3_x86_32 of bytes, computed step by step as in the published C++ code."""

    def rotl(value: int, bits: int) -> int:
        return ((value << bits) | (value >> (32 - bits))) % 2**32

    h = seed % 2**32
    block_end = len(data) - len(data) % 4
    for offset in range(0, block_end, 4):
        (k,) = struct.unpack("<I", data[offset : offset + 4])
        k = rotl(k * 0xCC9E2D51 % 2**32, 15) * 0x1B873593 % 2**32
        h = (rotl(h ^ k, 13) * 5 + 0xE6546B64) % 2**32
    tail = data[block_end:]
    if tail:
        k = int.from_bytes(tail, "little")
        h ^= rotl(k * 0xCC9E2D51 % 2**32, 15) * 0x1B873593 % 2**32
    h ^= len(data)
    h = (h ^ (h >> 16)) * 0x85EBCA6B % 2**32
    h = (h ^ (h >> 13)) * 0xC2B2AE35 % 2**32
    return h ^ (h >> 16)


# Published hashes of bytes, which verify the reference implementation.
PUBLISHED = [
    (b"", 0, 0x00000000),
    (b"", 1, 0x514E28B7),
    (b"", 0xFFFFFFFF, 0x81F16F39),
    (b"\0\0\0\0", 0, 0x2362F9DE),
    (b"\xff\xff\xff\xff", 0, 0x76293B50),
    (b"\x21\x43\x65\x87", 0, 0xF55B516B),
    (b"\x21\x43\x65\x87", 0x5082EDEE, 0x2362F9DE),
    (b"\x21\x43\x65", 0, 0x7E4A8634),
    (b"\x21\x43", 0, 0xA0F7B07A),
    (b"\x21", 0, 0x72661CF4),
    (b"\0\0\0", 0, 0x85F0B427),
    (b"\0\0", 0, 0x30F4C306),
    (b"\0", 0, 0x514E28B7),
    (b"Hello, world!", 0x9747B28C, 0x24884CBA),
    (b"The quick brown fox jumps over the lazy dog", 0x9747B28C, 0x2FA826CD),
]


@pytest.mark.parametrize(("data", "seed", "expected"), PUBLISHED)
def test_the_reference_implementation_returns_the_published_hashes(data: bytes, seed: int, expected: int) -> None:
    assert reference_hash(data, seed) == expected


@pytest.mark.parametrize(("data", "seed", "expected"), [row for row in PUBLISHED if len(row[0]) % 2 == 0])
def test_murmur3_32_returns_the_published_hashes_of_complete_code_units(data: bytes, seed: int, expected: int) -> None:
    text = data.decode("utf-16-le", "surrogatepass")
    assert murmur3_32(text, seed) % 2**32 == expected


def test_the_hash_of_a_visitor_is_that_of_the_edge() -> None:
    assert murmur3_32(VISITOR) == -919077116


@given(st.text(alphabet=st.characters(), max_size=700), st.integers(-(2**40), 2**40))
@example("", 0)
@example("\ud800", 0)
@example("a\udfff\ud800b", 7)
@example("\U0001f600", 0)
@example("x" * 256, 0)
@example("x" * 257, 0)
@example("\uffff" * 600, -1)
def test_any_text_has_the_hash_of_the_reference_implementation(text: str, seed: int) -> None:
    hashed = murmur3_32(text, seed)
    assert -(2**31) <= hashed < 2**31
    assert hashed % 2**32 == reference_hash(text.encode("utf-16-le", "surrogatepass"), seed)


def test_a_surrogate_pair_and_its_character_have_the_same_hash() -> None:
    assert murmur3_32("\ud83d\ude00") == murmur3_32("\U0001f600")


@given(st.text())
def test_a_bucket_is_a_multiple_of_0_01_below_100(text: str) -> None:
    assert 0 <= bucket(text) <= 99.99
    assert round(bucket(text) * 100) == abs(murmur3_32(text)) % 10000


def test_the_smallest_hash_has_a_bucket() -> None:
    """The absolute value of -2**31 does not fit into a signed 32-bit integer. ``Math.abs`` of Java returns -2**31."""
    text = "\u0755\u836f"
    assert murmur3_32(text) == -(2**31)
    assert bucket(text) == 36.48


def test_the_bucket_of_a_visitor_is_that_of_the_edge() -> None:
    assert bucket(VISITOR) == 71.16


@given(st.text(max_size=30), st.text(max_size=60))
@example("acmeclient.1111.", "702ff4d0")
@example("acmeclient.111.", "702ff4d0")
@example("", "")
@example("\U0001f600", "\ud83d")
def test_a_prefix_and_a_suffix_have_the_bucket_of_the_combined_text(prefix: str, suffix: str) -> None:
    assert HashSuffix(suffix).bucket(HashPrefix.of_text(prefix)) == bucket(prefix + suffix)


if hashing.native_hash is not None:  # .ci/run installs the extra "speedups" for this

    @given(st.text(max_size=30), st.text(max_size=60), st.integers(-(2**31), 2**32 - 1))
    @example("acmeclient.1111.", "702ff4d0", 0)
    @example("\U0001f600", "\ud83d", 1)
    def test_mmh3_and_python_have_the_same_hashes(prefix: str, suffix: str, seed: int) -> None:
        found = []
        for native in (hashing.native_hash, None):
            with mock.patch.object(hashing, "native_hash", native):
                combined = HashSuffix(suffix).bucket(HashPrefix.of_text(prefix))
                found.append((murmur3_32(prefix + suffix, seed), bucket(prefix + suffix), combined))
        assert found[0] == found[1]


def test_the_number_of_cached_blocks_is_limited() -> None:
    with mock.patch.object(hashing, "native_hash", None):
        for number in range(MAX_BLOCKS + 100):
            murmur3_32(chr(number) + "a")
            assert len(hashing._read_block.__self__) <= MAX_BLOCKS  # type: ignore[attr-defined]


def test_a_suffix_can_be_combined_with_many_prefixes() -> None:
    suffix = HashSuffix("visitor.0")
    prefixes = [f"acmeclient.{number}." for number in (1, 12, 123, 1234)]
    found = [suffix.bucket(HashPrefix.of_text(prefix)) for prefix in prefixes]
    assert found == [bucket(prefix + "visitor.0") for prefix in prefixes]
