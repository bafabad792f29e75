"""Reads the two file formats of a rule artifact, ``rules.json`` and ``rules.bin``.

A ``rules.bin`` begins with ``ATOD:``, the version ``001`` and a key of 32 bytes. The rest is the JSON, XORed
with the organization id and the key, repeated as often as needed.
"""

import hashlib
from typing import Any

from target_tools.errors import InvalidArtifact, InvalidResponse
from target_tools.http.messages import MAX_BRACKETS, parse_json, render_json
from target_tools.typing_compat import Json

_MAGIC = b"ATOD:001"
_KEY_SIZE = 32
#: In real artifacts each list or object takes at least twice as many bytes.
_BYTES_PER_BRACKET = 16


def parse_artifact(body: bytes, obfuscated: bool, organization_id: str) -> Any:
    """Return the JSON document in ``body``. Raises ``InvalidArtifact``."""
    text = deobfuscate(body, organization_id) if obfuscated else body
    try:
        return parse_json(text, max(MAX_BRACKETS, len(text) // _BYTES_PER_BRACKET))
    except InvalidResponse as error:
        raise InvalidArtifact(f"Unable to read artifact JSON: {error}") from None


def parse_payload(payload: Json) -> Any:
    """Return ``artifact_payload`` as if it had been downloaded: a copy, in types of JSON only.

    Raises ``InvalidArtifact``.
    """
    try:
        body = render_json(payload)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArtifact(f"Unable to read artifact JSON: {error}") from None
    return parse_artifact(body, False, "")


def deobfuscate(body: bytes, organization_id: str) -> bytes:
    """Return the JSON in a ``rules.bin``. Raises ``InvalidArtifact`` if the header is missing."""
    header = len(_MAGIC) + _KEY_SIZE
    if len(body) < header or not body.startswith(_MAGIC):
        raise InvalidArtifact("Invalid Artifact")
    return _xor(body[header:], organization_id, body[len(_MAGIC) : header])


def obfuscate(text: bytes, organization_id: str) -> bytes:
    """Return JSON in the format of ``rules.bin``. The key is derived from the text, so equal text has equal bytes."""
    key = hashlib.sha256(text).hexdigest()[:_KEY_SIZE].encode("ascii")
    return _MAGIC + key + _xor(text, organization_id, key)


def _xor(data: bytes, organization_id: str, key: bytes) -> bytes:
    """XOR ``data`` with the organization id and the key. Integers of this size are much faster than a loop."""
    size, pad = len(data), organization_id.encode("utf-8") + key
    repeated = (pad * (size // len(pad) + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")
