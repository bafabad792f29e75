"""Downloads a rule artifact with a conditional GET: a server answers 304 if the ETag has not changed."""

import base64
import os
import re
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from target_python_sdk.artifact.format import artifact_text
from target_python_sdk.artifact.location import ArtifactLocation
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.delivery.geo import geo_from_headers
from target_python_sdk.protocol import SDK_HEADERS
from target_tools.clock import Deadline, monotonic
from target_tools.errors import DeliveryError, InvalidArtifact, ResponseTooLarge
from target_tools.http.failures import status_error
from target_tools.http.messages import HttpRequest, Send, Timings

#: An ETag that can be sent back unchanged.
_ETAG = r"[\x21-\x7e][\x20-\x7e]{0,1023}"


class DownloadedArtifact(NamedTuple):
    """An artifact from the network."""

    artifact: Artifact
    #: The bytes that the artifact was loaded from.
    body: bytes
    etag: Optional[str]
    #: The location of this machine according to the CDN, if it sent one.
    geo: Optional[Dict[str, Any]]
    #: Monotonic time at which the download began; 0 if the artifact was read from a file.
    began: float = 0.0
    #: None if the artifact was read from a file.
    timings: Optional[Timings] = None
    #: Seconds that it took to load the downloaded bytes; 0 if the artifact was read from a file.
    parse_seconds: float = 0.0


def fetch_artifact(
    location: ArtifactLocation,
    etag: Optional[str],
    load_artifact: Callable[[bytes], Artifact],
    send: Send,
    deadline: Deadline,
) -> Optional[DownloadedArtifact]:
    """Download the artifact, or read its file, and load it. Return None if its ETag is still ``etag``.

    Raises a ``DeliveryError`` such as ``HttpStatusError`` or ``InvalidArtifact``.
    """
    if location.parsed_url.is_file:
        return _read_file(location, etag, load_artifact)
    began = monotonic()
    reply = send(_build_request(location, etag), deadline)
    received_at = monotonic()
    try:
        if reply.status == 304 and etag is not None:
            return None
        if reply.status != 200:
            raise status_error(reply)
        if not reply.body:
            raise InvalidArtifact("Invalid Artifact: it is empty")
        artifact = load_artifact(artifact_text(reply.body, location.obfuscated, location.organization_id))
    except DeliveryError as error:
        error.status, error.attempts = reply.status, reply.attempts
        raise
    new_etag = usable_etag(reply.headers.get("ETag"))
    geo, parse_seconds = geo_from_headers(reply.headers), monotonic() - received_at
    return DownloadedArtifact(artifact, reply.body, new_etag, geo, began, reply.timings, parse_seconds)


def _read_file(
    location: ArtifactLocation, etag: Optional[str], load_artifact: Callable[[bytes], Artifact]
) -> Optional[DownloadedArtifact]:
    """Read the artifact from its file. The file's modification time and size take the place of an ETag."""
    try:
        with open(location.parsed_url.target, "rb") as file:
            status = os.fstat(file.fileno())
            new_etag = f"{status.st_mtime_ns}-{status.st_size}"
            if new_etag == etag:
                return None
            body = file.read(location.max_bytes + 1)
    except OSError as error:
        raise InvalidArtifact(f"Unable to read the file: {error.strerror}") from error
    if len(body) > location.max_bytes:
        raise ResponseTooLarge(f"the artifact is larger than {location.max_bytes} bytes")
    artifact = load_artifact(artifact_text(body, location.obfuscated, location.organization_id))
    return DownloadedArtifact(artifact, body, new_etag, None)


def usable_etag(etag: Optional[str]) -> Optional[str]:
    """Return ``etag`` if it can be sent as a header, otherwise None."""
    return etag if isinstance(etag, str) and re.fullmatch(_ETAG, etag) is not None else None


def _build_request(location: ArtifactLocation, etag: Optional[str]) -> HttpRequest:
    headers: Tuple[Tuple[str, str], ...] = () if etag is None else (("If-None-Match", etag),)
    url = location.parsed_url
    if location.bypass_cache:
        headers += (("Cache-Control", "no-cache"), ("Pragma", "no-cache"))
        if url.credentials is None:
            # Like the Java SDK: shared caches do not store answers to requests with this header.
            headers += (("Authorization", ""),)
    if url.credentials is not None:
        credentials = base64.b64encode(url.credentials.encode("utf-8")).decode("ascii")
        headers += (("Authorization", f"Basic {credentials}"),)
    return HttpRequest("GET", url.origin, url.target, (*SDK_HEADERS, *headers), b"", location.max_bytes)
