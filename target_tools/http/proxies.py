"""Which proxy stands between this process and an origin, if any."""

import ipaddress
import re
import urllib.parse
from typing import Dict, Mapping, NamedTuple, Optional, Tuple, Union

import urllib3

from target_tools.errors import OptionError
from target_tools.http.messages import Origin

#: Labels of 63 characters at most, or an IPv6 address.
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)
_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

DEFAULT_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}


class Proxy(NamedTuple):
    """Where a proxy listens and what it wants to be told.

    ``repr`` and ``str`` leave its credentials out.
    """

    scheme: str
    host: str
    port: int
    #: ``user:password``, or None.
    credentials: Optional[str]
    headers: Mapping[str, str]

    @property
    def url(self) -> str:
        """The address with the credentials: for opening a connection, never for a log."""
        user = self.credentials + "@" if self.credentials else ""
        host = "[{}]".format(self.host) if ":" in self.host else self.host
        return "{}://{}{}:{}".format(self.scheme, user, host, self.port)

    def __repr__(self) -> str:
        return "Proxy({}://{}:{})".format(self.scheme, self.host, self.port)

    def __str__(self) -> str:
        return repr(self)

    def all_headers(self) -> Dict[str, str]:
        """The headers for the proxy itself, its credentials among them."""
        headers = dict(self.headers)
        if self.credentials:
            plain = urllib.parse.unquote(self.credentials)
            headers.update(urllib3.make_headers(proxy_basic_auth=plain))
            headers["Proxy-Authorization"] = headers.pop("proxy-authorization")
        return headers


def parse_proxy(text: str, headers: Optional[Mapping[str, str]] = None) -> Proxy:
    """The proxy that a URL names; a bare ``host:port`` is an HTTP proxy.  Raises ValueError."""
    parts = urllib.parse.urlsplit(text if "://" in text else "http://" + text)
    scheme = parts.scheme.lower()
    host = parts.hostname or ""
    if scheme not in DEFAULT_PORTS or not _HOST.fullmatch(host):
        raise ValueError("not a proxy")
    credentials = parts.netloc.rpartition("@")[0] or None
    urllib.parse.unquote(credentials or "").encode("latin-1")  # what a header can hold
    return Proxy(scheme, host, parts.port or DEFAULT_PORTS[scheme], credentials, dict(headers or {}))


def proxy_from_environment(origin: Origin, headers: Optional[Mapping[str, str]]) -> Optional[Proxy]:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for ``origin``, as they are now.

    The standard library reads them; it ignores HTTP_PROXY in a CGI process, where a request can set it.
    """
    from urllib.request import getproxies, getproxies_environment, proxy_bypass  # noqa: PLC0415 - slow to import

    found = getproxies_environment()
    if found:
        exempt = is_exempt(origin, found.get("no", ""))
    else:
        found = getproxies()  # macOS and Windows have settings of the system
        exempt = bool(proxy_bypass(origin.host))
    if exempt:
        return None
    text = found.get(origin.scheme) or found.get("all")
    try:
        return parse_proxy(text, headers) if text else None
    except ValueError:
        # Going past a proxy that somebody wanted would be worse than not going.
        name = "{}_PROXY".format(origin.scheme.upper())
        raise OptionError("trust_env: {} names no proxy that can be used".format(name), "trust_env", name) from None


def is_exempt(origin: Origin, no_proxy: str) -> bool:
    """Return whether NO_PROXY, a list separated by commas or spaces, covers ``origin``.

    An entry is a host name, which covers its subdomains too; an address; a network such as ``10.0.0.0/8``; each
    of the first two with ``:port`` or without; or ``*``.  Names are not looked up to compare them with networks.
    """
    host = origin.host.lower().rstrip(".")
    address = _address(host)
    return any(_covers(entry, host, address, origin.port) for entry in no_proxy.lower().replace(",", " ").split())


def _covers(entry: str, host: str, address: Optional[_Address], port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _is_in(address, entry)
    name, entry_port = _split_port(entry)
    if entry_port is not None and entry_port != str(port):
        return False
    if address is not None:
        return _address(name) == address
    name = (name[1:] if name.startswith("*.") else name).strip(".")
    return bool(name) and (host == name or host.endswith("." + name))


def _split_port(entry: str) -> Tuple[str, Optional[str]]:
    """Split ``host:port``; an IPv6 address has a port only behind brackets."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest[1:] or None
    name, colon, port = entry.partition(":")
    return (entry, None) if ":" in port else (name, port if colon else None)


def _address(text: str) -> Optional[_Address]:
    """Return the address that ``text`` is; an IPv4 address inside IPv6 as IPv4."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_in(address: _Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False
