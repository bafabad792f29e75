"""The download of a rule artifact, as a flow: one conditional GET.

With the ETag of the last good artifact a server has to say no more than that nothing has changed.
"""

import base64
import math
import re
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import quote

from target_python_sdk.artifact.address import Address, address_of, cdn_url
from target_python_sdk.artifact.format import read_artifact
from target_python_sdk.protocol import SDK_HEADERS
from target_tools.clock import Deadline
from target_tools.errors import DeliveryError, HttpStatusError, InvalidArtifact, OptionError, RedirectRefused
from target_tools.http.messages import HttpReply, HttpRequest, Send, Timings

#: How much of an error's body is kept, in bytes.
_ERROR_BODY = 4096
#: An ETag that can be sent back as it came.
_ETAG = r"[\x21-\x7e][\x20-\x7e]{0,1023}"



class ArtifactPlace(NamedTuple):
    """Where a client's artifact is, and how to read it."""

    address: Address
    #: The URL as it was given or made.  It may hold secrets: for the application, not for a log.
    url: str
    #: Whether it is in the masked format.
    masked: bool
    organization_id: str
    #: The largest artifact that is read, in bytes.
    max_bytes: int
    #: Whether caches between here and the server must not answer.
    bypass_cache: bool = False


class Download(NamedTuple):
    """An artifact that was downloaded."""

    #: The JSON, as dicts and lists.
    document: Any
    #: What it was read from.
    body: bytes
    etag: Optional[str]
    #: Where the network says that this machine is, if it says so.
    geo: Optional[Dict[str, Any]]
    timings: Timings


def artifact_url(
    *, client: str, environment: str, property_token: Optional[str], masked: bool, cdn_base_path: str, secure: bool
) -> str:
    """Where the artifact of a client is, if nobody says otherwise.  Raises ``OptionError`` for what names no folder."""
    folders = [_folder("client", client), _folder("environment", environment), "v1"]
    if property_token:
        folders.append(_folder("property_token", property_token))
    path = "".join("/" + folder for folder in folders)
    return cdn_url(cdn_base_path, secure, path + ("/rules.bin" if masked else "/rules.json"))


def _folder(option: str, name: str) -> str:
    """The folder called ``name``, percent-encoded."""
    try:
        if name not in (".", ".."):  # these two would lead to somebody else's
            return quote(name, "")
    except UnicodeEncodeError:
        pass
    raise OptionError("{}: the name of a folder was expected".format(option), option, "the name of a folder")


def is_masked(artifact_format: Optional[str], location: Optional[str]) -> bool:
    """Whether the artifact is in the masked format: said so, or known by the end of its address."""
    if artifact_format is not None:
        return artifact_format == "bin"
    return location is not None and address_of(location, "artifact_location").path.endswith(".bin")


def artifact_download(
    place: ArtifactPlace, etag: Optional[str], send: Send, deadline: Deadline
) -> Optional[Download]:
    """The conversation that gets the artifact, or None where the one with that ETag is the newest.

    Raises a ``DeliveryError``: ``HttpStatusError``, ``RedirectRefused``, ``InvalidArtifact``, or what sending raised.
    """
    reply = send(_request(place, etag), deadline)
    try:
        if reply.status == 304 and etag is not None:
            return None
        _check_status(reply)
        document = read_artifact(reply.body, place.masked, place.organization_id)
    except DeliveryError as error:
        error.status, error.attempts = reply.status, reply.attempts
        raise
    new_etag = usable_etag(reply.headers.get("ETag"))
    return Download(document, reply.body, new_etag, geo_context(reply.headers), reply.timings)


def usable_etag(etag: Any) -> Optional[str]:
    """``etag`` if it can be sent as a header."""
    return etag if isinstance(etag, str) and re.fullmatch(_ETAG, etag) is not None else None


def geo_context(found: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """Where the network says that the asker is, by the wire names of a geo; None where it says nothing.

    ``found`` are headers, or anything else with their names.
    """
    address = _text(found.get("x-forwarded-for"))
    geo = {
        # Each proxy adds the one it was asked by; the first is the asker.
        "ipAddress": address and _text(address.partition(",")[0]),
        "latitude": _degrees(found.get("x-geo-latitude")),
        "longitude": _degrees(found.get("x-geo-longitude")),
        "countryCode": _text(found.get("x-geo-country-code")),
        "stateCode": _text(found.get("x-geo-region-code")),
        "city": _text(found.get("x-geo-city")),
        "zip": None,
    }
    known = any(value is not None for name, value in geo.items() if name != "ipAddress")
    return geo if known else None


def _text(value: Any) -> Optional[str]:
    return value.strip() or None if isinstance(value, str) else None


def _degrees(value: Any) -> Optional[float]:
    try:
        degrees = float(value)
    except (TypeError, ValueError):
        return None
    return degrees if math.isfinite(degrees) else None


def _request(place: ArtifactPlace, etag: Optional[str]) -> HttpRequest:
    own: Tuple[Tuple[str, str], ...] = () if etag is None else (("If-None-Match", etag),)
    credentials = place.address.credentials
    if place.bypass_cache:
        own += (("Cache-Control", "no-cache"), ("Pragma", "no-cache"))
        if credentials is None:
            # As the Java SDK: a shared cache does not keep answers to requests with this header.
            own += (("Authorization", ""),)
    if credentials is not None:
        own += (("Authorization", "Basic " + base64.b64encode(credentials.encode("utf-8")).decode("ascii")),)
    return HttpRequest(
        "GET", place.address.origin, place.address.target, (*SDK_HEADERS, *own), b"", place.max_bytes
    )


def _check_status(reply: HttpReply) -> None:
    """Raise what stands for a status that brings no artifact."""
    if reply.status == 200:
        if not reply.body:
            raise InvalidArtifact("Invalid Artifact: it is empty")
        return
    # 304 leads nowhere else: it answers a question that was not asked.
    kind = RedirectRefused if 300 <= reply.status < 400 and reply.status != 304 else HttpStatusError
    text = reply.body[:_ERROR_BODY].decode("utf-8", "replace")
    raise kind(reply.status, reply.reason, reply.headers, text)
