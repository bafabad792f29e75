"""Reads cookies, page, browser and address of a visitor from a WSGI environ.

All values are untrusted. Invalid values are ignored, long ones are ignored or truncated, and nothing raises. A value
is text in which each character stands for a byte, as PEP 3333 requires, or bytes, as some servers and tests pass them.
"""

import ipaddress
import re
from typing import Any, Dict, Iterable, List, Mapping, Optional
from urllib.parse import quote

import six

from target_python_sdk.types import Address, ChannelType, Context, Geo

#: The variables that this module reads.
ENVIRON_VARIABLES = (
    "HTTP_COOKIE", "HTTP_HOST", "HTTP_REFERER", "HTTP_USER_AGENT", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT",
    "wsgi.url_scheme",
)  # fmt: skip
#: Longer cookies are ignored.
_COOKIE_LENGTH = 8192
#: Maximum length of a URL in the schema.
_URL_LENGTH = 4096
#: Longer user agents are truncated. Browsers send only a few hundred characters.
_USER_AGENT_LENGTH = 2048
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
#: Characters that are not quoted in a path, and in a query, which is already quoted.
_IN_PATH = "/:@!$&'()*+,;=~"
_IN_QUERY = _IN_PATH + "?%[]"
_TRUNCATED_ESCAPE = re.compile(r"%.?$")
_USUAL_PORT = {"http": "80", "https": "443"}


def request_cookies(environ: Mapping[str, Any], names: Iterable[str]) -> Dict[str, str]:
    """Return the cookies of the request that have one of ``names``.

    If a name occurs twice, return the first, which has the more specific path. Invalid, empty and long cookies are
    ignored.
    """
    wanted = frozenset(names)
    found: Dict[str, str] = {}
    for part in _text(environ, "HTTP_COOKIE").split(";"):
        name, _, value = part.partition("=")
        name, value = name.strip(), value.strip().strip('"')
        if name in wanted and 0 < len(value) <= _COOKIE_LENGTH:
            found.setdefault(name, value)
    return found


def context(environ: Mapping[str, Any], proxies: int) -> Context:
    """Return the page, browser and address of a visitor behind ``proxies`` trusted proxies."""
    address = _address(environ, proxies)
    return Context(
        channel=ChannelType.WEB,
        user_agent=_text(environ, "HTTP_USER_AGENT")[:_USER_AGENT_LENGTH] or None,
        address=Address(url=_url(environ, proxies), referring_url=_text(environ, "HTTP_REFERER")[:_URL_LENGTH] or None),
        geo=None if address is None else Geo(ip_address=address),
    )


def scheme(environ: Mapping[str, Any], proxies: int) -> str:
    """Return the scheme that the browser used: ``https`` or ``http``."""
    # Proxies replace this header or pass it on, while they append to the list of addresses.
    forwarded = _forwarded_values(environ, "HTTP_X_FORWARDED_PROTO", min(proxies, 1))
    name = forwarded[0].lower() if forwarded and forwarded[0] else _text(environ, "wsgi.url_scheme")
    return "https" if name == "https" else "http"


def _bytes(environ: Mapping[str, Any], name: str) -> bytes:
    """Return the bytes of a value. In PEP 3333 a value is text in which each character stands for a byte."""
    value = environ.get(name)
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    return value if isinstance(value, bytes) else b""


def _text(environ: Mapping[str, Any], name: str) -> str:
    return six.ensure_text(_bytes(environ, name), "utf-8", "replace")


def _forwarded_values(environ: Mapping[str, Any], name: str, proxies: int) -> List[str]:
    """Return the entries that trusted proxies added to a header, outermost first; empty if there are too few."""
    entries = [entry.strip() for entry in _text(environ, name).split(",")] if proxies > 0 else []
    return entries[-proxies:] if len(entries) >= proxies else []


def _host(environ: Mapping[str, Any], proxies: int) -> str:
    """Return the host and port that the browser used, or an empty string if no variable has a valid host."""
    forwarded = _forwarded_values(environ, "HTTP_X_FORWARDED_HOST", min(proxies, 1))
    server, port = _text(environ, "SERVER_NAME"), _text(environ, "SERVER_PORT")
    own = server if not port or port == _USUAL_PORT[scheme(environ, proxies)] else server + ":" + port
    return next(filter(_HOST.fullmatch, [*forwarded, _text(environ, "HTTP_HOST"), own]), "")


def _url(environ: Mapping[str, Any], proxies: int) -> Optional[str]:
    """Return the page's URL, truncated to the schema's maximum, or None if the host is unknown."""
    host = _host(environ, proxies)
    if not host:
        return None
    path = quote(_bytes(environ, "SCRIPT_NAME") + _bytes(environ, "PATH_INFO"), _IN_PATH)
    query = quote(_bytes(environ, "QUERY_STRING"), _IN_QUERY)
    slash = "" if path.startswith("/") else "/"
    url = f"{scheme(environ, proxies)}://{host}{slash}{path}{query and '?' + query}"
    return _TRUNCATED_ESCAPE.sub("", url[:_URL_LENGTH])


def _address(environ: Mapping[str, Any], proxies: int) -> Optional[str]:
    """Return the visitor's IP address, as the outermost trusted proxy or this server saw it."""
    forwarded = _forwarded_values(environ, "HTTP_X_FORWARDED_FOR", proxies)
    text = forwarded[0] if forwarded else _text(environ, "REMOTE_ADDR").strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)
