"""Where the content delivery network is: addresses, as a connection needs them."""

import re
from typing import NamedTuple, Optional
from urllib.parse import SplitResult, quote, unquote, urlsplit

from target_tools.errors import OptionError
from target_tools.http.messages import DEFAULT_PORTS, Origin

_HOST = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
#: The longest name that is looked up, and the longest part of one.
_NAME_SIZE, _LABEL_SIZE = 253, 63
_LOOPBACK = r"localhost|127(\.[0-9]{1,3}){3}|::1"
#: What may stand in a path or a query as it is; a percent sign begins what was encoded already.
_KEPT = "/%:@!$&'()*+,;=~-._?"


class Address(NamedTuple):
    """An URL, taken apart."""

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
    def shown(self) -> str:
        """The URL as a log or a trace may show it: without credentials and query."""
        return "{}://{}{}".format(self.origin.scheme, self.origin.host_header, self.path)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine's own."""
        return re.fullmatch(_LOOPBACK, self.origin.host) is not None


def cdn_url(cdn_base_path: str, secure: bool, path: str) -> str:
    """The URL of ``path``, which begins with a slash, on the network at ``cdn_base_path``."""
    base = cdn_base_path if "://" in cdn_base_path else "{}://{}".format("https" if secure else "http", cdn_base_path)
    return base.rstrip("/") + path


def address_of(url: str, option: str) -> Address:
    """The parts of ``url``, which ``option`` gave.  Raises ``OptionError`` for one that leads nowhere."""
    try:
        parts = urlsplit(url)
        return Address(_origin(parts), _target(parts), _credentials(parts))
    except ValueError:  # a surrogate that stands alone is one, too
        expected = "an http or https URL"
        raise OptionError("{}: {} was expected".format(option, expected), option, expected) from None


def _origin(parts: SplitResult) -> Origin:
    host, port = _ascii(parts.hostname or ""), parts.port
    if parts.scheme not in DEFAULT_PORTS or re.fullmatch(_HOST, host) is None or port == 0:
        raise ValueError("no such place")
    return Origin(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme])


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", _KEPT[:-1])
    return path + "?" + quote(parts.query, _KEPT) if parts.query else path


def _credentials(parts: SplitResult) -> Optional[str]:
    user, at, _ = parts.netloc.rpartition("@")
    plain = unquote(user)
    plain.encode("utf-8")  # as they are sent
    return plain if at else None


def _ascii(host: str) -> str:
    """A host name with letters of other alphabets as DNS knows it.  Raises ValueError for what is none."""
    known = host if host.isascii() else host.encode("idna").decode("ascii")
    name = known[:-1] if known.endswith(".") else known
    sizes = [len(label) for label in name.split(".")]
    if len(name) > _NAME_SIZE or min(sizes) < 1 or max(sizes) > _LABEL_SIZE:
        raise ValueError("a look-up would refuse it")
    return known
