"""A rule artifact as it is served: bytes with a tag, plain or as ``rules.bin``."""

import hashlib
import json
from typing import Any, Mapping, NamedTuple, Optional

#: The first bytes of a ``rules.bin``; 32 bytes of key follow.
BIN_MARK = b"ATOD:001"


class Published(NamedTuple):
    """Bytes to serve; ``etag`` is different for different bytes."""

    body: bytes
    content_type: str
    etag: str

    def is_known(self, if_none_match: Optional[str]) -> bool:
        """Whether a client that sends this ``If-None-Match`` has these bytes already."""
        tags = [tag.strip() for tag in (if_none_match or "").split(",")]
        return "*" in tags or self.etag in [tag[2:] if tag.startswith("W/") else tag for tag in tags]


def published(document: Mapping[str, Any]) -> Published:
    """``rules.json``."""
    body = json.dumps(document, separators=(",", ":")).encode("ascii")
    return Published(body, "application/json;charset=UTF-8", _tag(body))


def published_bin(document: Mapping[str, Any], organization_id: str) -> Published:
    """``rules.bin``: the same, hidden from a reader who does not know the organization id."""
    body = obfuscated(published(document).body, organization_id)
    return Published(body, "application/octet-stream", _tag(body))


def obfuscated(data: bytes, organization_id: str) -> bytes:
    """``data`` behind a mark and a key, each byte flipped by the next one of organization id and key, over and over."""
    key = hashlib.sha256(data).hexdigest()[:32].encode("ascii")  # the same for the same data
    pad = organization_id.encode() + key
    repeated = (pad * (len(data) // len(pad) + 1))[: len(data)]
    flipped = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
    return BIN_MARK + key + flipped.to_bytes(len(data), "big")


def _tag(body: bytes) -> str:
    return '"{}"'.format(hashlib.sha256(body).hexdigest()[:32])
