"""A rule artifact as bytes: JSON, or JSON behind a mask.

The masked format, ``rules.bin``, begins with 40 bytes: ``ATOD:``, the version ``001``, and a key of 32 bytes.  The
rest is the JSON, each byte XORed with the next one of the organization id and that key, over and over.
"""

from typing import Any

from target_tools.errors import InvalidArtifact, InvalidResponse
from target_tools.http.bodies import MAX_BRACKETS, parse_json, render_json

_MAGIC = b"ATOD:001"
_KEY_SIZE = 32
#: Rules are longer than the lists and objects that they are made of: twice this and more for each.
_BYTES_PER_BRACKET = 16


def read_artifact(body: bytes, masked: bool, organization_id: str) -> Any:
    """The document that ``body`` holds.  Raises ``InvalidArtifact``."""
    text = unmask(body, organization_id) if masked else body
    try:
        return parse_json(text, max(MAX_BRACKETS, len(text) // _BYTES_PER_BRACKET))
    except InvalidResponse as error:
        raise InvalidArtifact("Unable to read artifact JSON: {}".format(error)) from None


def document_of(payload: Any) -> Any:
    """A document that an application hands over, as if it had been downloaded: JSON, and shared with nobody.

    Raises ``InvalidArtifact``.
    """
    try:
        body = render_json(payload)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArtifact("Unable to read artifact JSON: {}".format(error)) from None
    return read_artifact(body, False, "")


def unmask(body: bytes, organization_id: str) -> bytes:
    """The JSON in a masked artifact.  Raises ``InvalidArtifact`` where the first bytes are not those of one."""
    header = len(_MAGIC) + _KEY_SIZE
    if len(body) < header or not body.startswith(_MAGIC):
        raise InvalidArtifact("Invalid Artifact")
    return _xored(body[header:], organization_id.encode("utf-8") + body[len(_MAGIC) : header])


def _xored(data: bytes, key: bytes) -> bytes:
    """Each byte XORed with the next one of ``key``, over and over; as two large numbers, which takes no loop."""
    size = len(data)
    over_and_over = (key * (size // len(key) + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(over_and_over, "little")).to_bytes(size, "little")
