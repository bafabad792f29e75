"""Which proxy stands between this process and an origin, if any."""

import re
import urllib.parse
from typing import Dict, Mapping, NamedTuple, Optional

import urllib3

from target_tools.errors import OptionError
from target_tools.http.messages import Origin

#: Labels of 63 characters at most, or an IPv6 address.
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)
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


def proxy_of_environment(origin: Origin, headers: Optional[Mapping[str, str]]) -> Optional[Proxy]:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for ``origin``.

    The standard library reads them; it knows that a CGI request can set HTTP_PROXY.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - slow to import, seldom wanted

    if proxy_bypass(origin.netloc) or proxy_bypass(origin.host):
        return None
    found = getproxies()
    text = found.get(origin.scheme) or found.get("all")
    try:
        return parse_proxy(text, headers) if text else None
    except ValueError:
        # Going past a proxy that somebody wanted would be worse than not going.
        name = "{}_PROXY".format(origin.scheme.upper())
        raise OptionError("trust_env: {} names no proxy that can be used".format(name), "trust_env", name) from None
