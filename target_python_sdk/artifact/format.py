"""Reads the two file formats of a rule artifact, ``rules.json`` and ``rules.bin``, and writes ``rules.bin``.

A ``rules.bin`` begins with ``ATOD:``, the version ``001`` and a key of 32 bytes. The rest is the JSON, XORed
with the organization id and the key, repeated as often as needed.
"""

import hashlib
from typing import Any

from target_python_sdk.decisioning.artifact import parse_document
from target_tools.errors import InvalidArtifact
from target_tools.json_reader import Turn

_MAGIC = b"ATOD:001"
_KEY_SIZE = 32
#: The number of bytes to deobfuscate at once.
_PART = 65536


def artifact_text(body: bytes, obfuscated: bool, organization_id: str) -> bytes:
    """Return the JSON in ``body``. Raises ``InvalidArtifact``."""
    return deobfuscate(body, organization_id) if obfuscated else body


def parse_artifact(body: bytes, obfuscated: bool, organization_id: str) -> Any:
    """Return the JSON document in ``body``, with None for each rule that is nested too deeply.

    Raises ``InvalidArtifact``.
    """
    return parse_document(artifact_text(body, obfuscated, organization_id), skip_deep=True)


def deobfuscate(body: bytes, organization_id: str) -> bytes:
    """Return the JSON in a ``rules.bin``. Raises ``InvalidArtifact`` if the header is missing."""
    header = len(_MAGIC) + _KEY_SIZE
    if len(body) < header or not body.startswith(_MAGIC):
        raise InvalidArtifact("Invalid Artifact")
    return _xor(body[header:], organization_id, body[len(_MAGIC) : header])


def obfuscate(text: bytes, organization_id: str) -> bytes:
    """Return JSON in the format of ``rules.bin``. Equal texts give equal results: the key is derived from the text."""
    key = hashlib.sha256(text).hexdigest()[:_KEY_SIZE].encode("ascii")
    return _MAGIC + key + _xor(text, organization_id, key)


def _xor(data: bytes, organization_id: str, key: bytes) -> bytes:
    """XOR ``data`` with the organization id and the key, in parts between which other threads can run."""
    pad, turn = organization_id.encode("utf-8") + key, Turn()
    size = len(pad) * (_PART // len(pad) + 1)
    repeated = pad * (size // len(pad))
    parts = []
    for start in range(0, len(data), size):
        part = data[start : start + size]
        # XOR of integers of this size is much faster than a loop over bytes.
        mixed = int.from_bytes(part, "little") ^ int.from_bytes(repeated[: len(part)], "little")
        parts.append(mixed.to_bytes(len(part), "little"))
        turn.pause_if_over()
    return b"".join(parts)
