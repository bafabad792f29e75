"""Parses the URLs of rule artifacts, and builds the URL of a client's artifact."""

import os
import re
from typing import NamedTuple, Optional
from urllib.parse import SplitResult, quote, unquote, urlsplit

from target_python_sdk.delivery.options import ClientSettings
from target_tools.errors import OptionError
from target_tools.http.messages import DEFAULT_PORTS, Origin, is_invalid_ipv6
from target_tools.logger import Log

_HOST = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
#: The maximum lengths of a DNS name and of one label.
_MAX_NAME, _MAX_LABEL = 253, 63
#: The scheme of artifacts that are read from a file.
FILE = "file"
_LOOPBACK = r"localhost|127(\.[0-9]{1,3}){3}|::1"
#: Characters of a path and a query that stay as they are; a percent sign begins an existing escape.
_SAFE = "/%:@!$&'()*+,;=~-._?"


class ParsedUrl(NamedTuple):
    """A URL in the parts that a connection needs."""

    origin: Origin
    #: Path and query, percent-encoded.
    target: str
    #: ``user:password``, if the URL has one.
    credentials: Optional[str]

    @property
    def path(self) -> str:
        """The path without the query."""
        return self.target.partition("?")[0]

    @property
    def redacted(self) -> str:
        """The URL for logs and traces, without credentials and query. For a file, this is the path."""
        return self.target if self.is_file else f"{self.origin.scheme}://{self.origin.host_header}{self.path}"

    @property
    def is_file(self) -> bool:
        """Whether ``target`` is the path of a file on this machine."""
        return self.origin.scheme == FILE

    @property
    def is_loopback(self) -> bool:
        """Whether the host is a loopback address, or the artifact is a file."""
        return self.is_file or re.fullmatch(_LOOPBACK, self.origin.host) is not None


def parse_url(url: str, option: str) -> ParsedUrl:
    """Parse ``url``, the value of ``option``. Raises ``OptionError`` if a request cannot be sent to it.

    An absolute path is returned as the ``target`` of a file.
    """
    if os.path.isabs(url):
        return ParsedUrl(Origin(FILE, "", 0), url, None)
    try:
        parts = urlsplit(url)
        return ParsedUrl(_origin(parts), _target(parts), _credentials(parts))
    except ValueError:  # also raised for a lone surrogate
        expected = "an http or https URL"
        raise OptionError(f"Invalid option '{option}': expected {expected}", option, expected) from None


def _origin(parts: SplitResult) -> Origin:
    host, port = _to_ascii(parts.hostname or ""), parts.port
    if parts.scheme not in DEFAULT_PORTS or re.fullmatch(_HOST, host) is None or port == 0:
        raise ValueError("not a valid origin")
    if is_invalid_ipv6(host):
        raise ValueError("not a valid address")
    return Origin(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme])


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", _SAFE[:-1])
    return path + "?" + quote(parts.query, _SAFE) if parts.query else path


def _credentials(parts: SplitResult) -> Optional[str]:
    user, at, _ = parts.netloc.rpartition("@")
    plain = unquote(user)
    plain.encode("utf-8")  # raises here, and not only when the credentials are sent
    return plain if at else None


def _to_ascii(host: str) -> str:
    """Return the host name as DNS uses it. Raises ``ValueError`` for an invalid name."""
    encoded = host if host.isascii() else host.encode("idna").decode("ascii")
    name = encoded[:-1] if encoded.endswith(".") else encoded
    sizes = [len(label) for label in name.split(".")]
    if len(name) > _MAX_NAME or min(sizes) < 1 or max(sizes) > _MAX_LABEL:
        raise ValueError("not a valid host name")
    return encoded


def cdn_url(cdn_base_path: str, secure: bool, path: str) -> str:
    """Return the URL of ``path`` below ``cdn_base_path``. ``path`` begins with a slash."""
    base = cdn_base_path if "://" in cdn_base_path else f"{'https' if secure else 'http'}://{cdn_base_path}"
    return base.rstrip("/") + path


class ArtifactLocation(NamedTuple):
    """The URL of a client's artifact, and how to download and read it."""

    parsed_url: ParsedUrl
    #: The URL as it was configured. It may contain secrets: pass it to the application, never to a log.
    url: str
    #: Whether the artifact is obfuscated (``rules.bin``).
    obfuscated: bool
    organization_id: str
    #: The largest artifact that is read, in bytes.
    max_bytes: int
    #: Whether to bypass caches between this process and the server.
    bypass_cache: bool = False
    #: Advice to add to the error of a failed download. Usually empty.
    hint: str = ""


def artifact_location(settings: ClientSettings, log: Log) -> ArtifactLocation:
    """Return the location of a client's artifact. Raises ``OptionError``."""
    configured = settings.artifact_location
    obfuscated = is_obfuscated(settings.artifact_format, configured)
    url = configured or artifact_url(
        client=settings.client,
        environment=settings.environment,
        property_token=settings.property_token,
        obfuscated=obfuscated,
        cdn_base_path=settings.cdn_base_path,
        secure=settings.secure,
    )
    parsed = parse_url(url, "artifact_location" if configured else "cdn_base_path")
    if settings.secure and parsed.origin.scheme == "http" and not parsed.is_loopback:
        log.warning("The rule artifact is downloaded over plain HTTP and can be modified in transit")
    limit, bypass_cache = settings.max_response_bytes.artifact, settings.artifact_bypass_cache
    hint = _local_edge_hint(settings)
    return ArtifactLocation(parsed, url, obfuscated, settings.organization_id, limit, bypass_cache, hint)


def _local_edge_hint(settings: ClientSettings) -> str:
    """Return advice for a client that calls a local edge but downloads the artifact from Adobe's CDN, or ``""``."""
    is_default = settings.cdn_base_path == ClientSettings._field_defaults["cdn_base_path"]
    if settings.server_domain is None or settings.artifact_location or not is_default:
        return ""
    host, port = settings.server_domain
    scheme = "https" if settings.secure else "http"
    if settings.secure and re.fullmatch(_LOOPBACK, host) is None:  # probably Adobe's edge under the customer's domain
        return ""
    edge = Origin(scheme, host, port or DEFAULT_PORTS[scheme])
    return f"server_domain does not apply to the artifact; for a local edge, set cdn_base_path to {str(edge)!r}, too"


def artifact_url(
    *,
    client: Optional[str],
    environment: str,
    property_token: Optional[str],
    obfuscated: bool,
    cdn_base_path: str,
    secure: bool,
) -> str:
    """Return the default URL of a client's artifact. Raises ``OptionError`` for an unusable path segment.

    Without a client, return 1.1.0's URL, which leads to no artifact.
    """
    segments = [_path_segment("client", client)] if client else []
    segments += [_path_segment("environment", environment), "v1"]
    if property_token:
        segments.append(_path_segment("property_token", property_token))
    path = "".join("/" + segment for segment in segments)
    return cdn_url(cdn_base_path, secure, path + ("/rules.bin" if obfuscated else "/rules.json"))


def _path_segment(option: str, name: str) -> str:
    try:
        if name not in (".", ".."):  # these two would lead to another client's folder
            return quote(name, "")
    except UnicodeEncodeError:
        pass
    raise OptionError(f"Invalid option '{option}': expected the name of a folder", option, "the name of a folder")


def is_obfuscated(artifact_format: Optional[str], configured_url: Optional[str]) -> bool:
    """Return whether the artifact is a ``rules.bin``: by ``artifact_format``, else by the extension of the URL."""
    if artifact_format is not None:
        return artifact_format == "bin"
    return configured_url is not None and parse_url(configured_url, "artifact_location").path.endswith(".bin")
