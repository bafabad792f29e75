"""Parses proxy URLs, and selects the proxy for an origin from the environment."""

import ipaddress
import re
import urllib.parse
from typing import Dict, Mapping, NamedTuple, Optional, Tuple, Union

import urllib3

from target_tools.errors import OptionError
from target_tools.http.messages import DEFAULT_PORTS, Origin, is_invalid_ipv6

#: A host name with labels of at most 63 characters, or an IPv6 address.
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)
_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

#: Describes valid URLs in errors. ``parse_proxy`` also accepts the other schemes of ``DEFAULT_PROXY_PORTS``.
EXPECTED = "[scheme://][user:password@]host:port with the scheme http, https or socks5"

DEFAULT_PROXY_PORTS = {**DEFAULT_PORTS, **dict.fromkeys(("socks4", "socks4a", "socks5", "socks5h"), 1080)}


class Proxy(NamedTuple):
    """The address and the headers of a proxy. ``repr`` leaves out the credentials."""

    scheme: str
    host: str
    port: int
    #: ``user:password``, or None.
    credentials: Optional[str]
    headers: Tuple[Tuple[str, str], ...]

    @property
    def url(self) -> str:
        """Return the URL without the credentials: urllib3 misreads a URL whose credentials contain a backslash."""
        return f"{self.scheme}://{Origin(self.scheme, self.host, self.port).netloc}"

    def __repr__(self) -> str:
        return f"Proxy({self.scheme}://{self.host}:{self.port})"

    def all_headers(self) -> Dict[str, str]:
        """Return the headers for the proxy itself, including its credentials."""
        headers = dict(self.headers)
        if self.credentials:
            plain = urllib.parse.unquote(self.credentials)
            headers.update(urllib3.make_headers(proxy_basic_auth=plain))
            headers["Proxy-Authorization"] = headers.pop("proxy-authorization")
        return headers


def parse_proxy(text: str, headers: Optional[Mapping[str, str]] = None) -> Proxy:
    """Parse the URL of a proxy; ``host:port`` means an HTTP proxy. Raises ValueError if the URL is not supported."""
    parts = urllib.parse.urlsplit(text if "://" in text else "http://" + text)
    scheme = parts.scheme.lower()
    host = parts.hostname or ""
    if scheme not in DEFAULT_PROXY_PORTS or not _HOST.fullmatch(host) or is_invalid_ipv6(host):
        raise ValueError("not a proxy")
    credentials = parts.netloc.rpartition("@")[0] or None
    urllib.parse.unquote(credentials or "").encode("latin-1")  # raises if they do not fit into a header
    return Proxy(scheme, host, parts.port or DEFAULT_PROXY_PORTS[scheme], credentials, tuple((headers or {}).items()))


def proxy_from_environment(origin: Origin, headers: Optional[Mapping[str, str]]) -> Optional[Proxy]:
    """Return the proxy for ``origin`` according to HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, or None.

    The standard library reads these variables. In a CGI process it ignores HTTP_PROXY, because the header ``Proxy`` of
    a request sets it.
    """
    from urllib.request import getproxies, getproxies_environment, proxy_bypass  # noqa: PLC0415 - slow to import

    found = getproxies_environment()
    if found:
        exempt = is_exempt(origin, found.get("no", ""))
    else:
        found = getproxies()  # the system settings of macOS and Windows
        exempt = bool(proxy_bypass(origin.host))
    if exempt:
        return None
    text = found.get(origin.scheme) or found.get("all")
    try:
        return parse_proxy(text, headers) if text else None
    except ValueError:
        # Raise, because sending without the proxy would be worse than not sending.
        name = f"{origin.scheme.upper()}_PROXY"
        message = f"Invalid option 'trust_env': {name} is not the URL of a supported proxy"
        raise OptionError(message, "trust_env", name) from None


def is_exempt(origin: Origin, no_proxy: str) -> bool:
    """Return whether NO_PROXY, a list separated by commas or spaces, covers ``origin``.

    An entry is a host name, which covers its subdomains too; an IP address; a network such as ``10.0.0.0/8``; or
    ``*``. Host names and addresses may have a ``:port``. Names are not resolved to compare them with networks.
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
    """Split ``host:port``. An IPv6 address has a port only if it is in brackets."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest[1:] or None
    name, colon, port = entry.partition(":")
    return (entry, None) if ":" in port else (name, port if colon else None)


def _address(text: str) -> Optional[_Address]:
    """Parse an IP address. An IPv4-mapped IPv6 address becomes IPv4; other text becomes None."""
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
