"""Reads cookies, page, browser and address of a visitor from a WSGI environ, or from an ASGI scope.

All values are untrusted. Invalid values are ignored, long ones are ignored or truncated, and none raises an exception.
A value of an environ is text in which each character stands for a byte, as PEP 3333 requires, or bytes, as some
servers and tests pass them.
"""

import ipaddress
import re
from typing import Any, Collection, Dict, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import quote

import six

from target_python_sdk.protocol import VISITOR_COOKIE_PREFIX
from target_python_sdk.types import Address, Browser, ChannelType, ClientHints, Context, Geo

#: The variables that this module reads, except those of client hints.
_VARIABLES = (
    "HTTP_ACCEPT_LANGUAGE", "HTTP_COOKIE", "HTTP_HOST", "HTTP_REFERER", "HTTP_USER_AGENT", "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "SCRIPT_NAME",
    "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme",
)  # fmt: skip
#: The headers with client hints that are text, by the fields of ``ClientHints``.
_HINT_HEADERS = {
    "browser_ua_with_major_version": "Sec-CH-UA",
    "browser_ua_with_full_version": "Sec-CH-UA-Full-Version-List",
    "platform": "Sec-CH-UA-Platform",
    "platform_version": "Sec-CH-UA-Platform-Version",
    "model": "Sec-CH-UA-Model",
    "architecture": "Sec-CH-UA-Arch",
    "bitness": "Sec-CH-UA-Bitness",
}
_MOBILE_HEADER = "Sec-CH-UA-Mobile"
#: The value of ``Accept-CH``: the client hints that browsers send only if a response has requested them.
ACCEPT_CH = (
    "Sec-CH-UA-Full-Version-List, Sec-CH-UA-Platform-Version, Sec-CH-UA-Model, Sec-CH-UA-Arch, Sec-CH-UA-Bitness"
)
#: Longer hints are ignored.
_HINT_LENGTH = 1024
#: Longer cookies are ignored.
_COOKIE_LENGTH = 8192
#: Maximum length of a URL in the API's schema.
_URL_LENGTH = 4096
#: Longer ``Accept-Language`` headers are truncated.
_LANGUAGE_LENGTH = 256
#: The maximum number of Experience Cloud visitor cookies that are read. Each organization has one.
_MAX_VISITOR_COOKIES = 8
#: Longer user agents are truncated. Browsers send only a few hundred characters.
_USER_AGENT_LENGTH = 2048
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
#: Characters that are not quoted: in a path, and in a query, which the browser has already quoted.
_IN_PATH = "/:@!$&'()*+,;=~"
_IN_QUERY = _IN_PATH + "?%[]"
_TRUNCATED_ESCAPE = re.compile(r"%.?$")
_USUAL_PORT = {"http": "80", "https": "443"}
#: A client hint that is one string, without escapes.
_HINT_STRING = re.compile(r'"([^"\\]*)"')


def environ_of(request: Any) -> Optional[Dict[str, Any]]:
    """Return the variables that this module reads.

    ``request`` is a request of a web framework, a WSGI environ or an ASGI scope. Return None for anything else.
    """
    scope = request if isinstance(request, Mapping) else getattr(request, "scope", None)
    django_path: Any = getattr(request, "path", None) if hasattr(request, "META") else None
    if isinstance(scope, Mapping) and "type" in scope:
        environ = environ_of_scope(scope)
    else:
        given = request if isinstance(request, Mapping) else getattr(request, "environ", getattr(request, "META", None))
        if not isinstance(given, Mapping):
            return None
        environ = variables_of(given)
    if django_path is not None:  # Django has decoded the path in its environ
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "", django_path.encode("utf-8", "replace")
    return environ


def environ_of_scope(scope: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the variables that this module reads for the ASGI scope of an HTTP request or a WebSocket."""
    environ: Dict[str, Any] = {
        "wsgi.url_scheme": scope.get("scheme", "http").replace("ws", "http"),  # a WebSocket has ws or wss
        "QUERY_STRING": scope.get("query_string", b""),
    }
    path, root = scope.get("path", ""), scope.get("root_path", "")
    if isinstance(path, str) and isinstance(root, str):
        # Servers disagree about whether the path contains the root path, which is the prefix of a mounted application.
        whole = path if path == root or path.startswith(root.rstrip("/") + "/") else root + path
        environ["PATH_INFO"] = whole.encode("utf-8", "replace")
    client, server = scope.get("client"), scope.get("server")
    if client:
        environ["REMOTE_ADDR"] = client[0]
    if server:
        environ["SERVER_NAME"] = server[0]
        environ["SERVER_PORT"] = "" if server[1] is None else str(server[1])
    for name, value in scope.get("headers") or ():
        if b"_" in name:  # a visitor's X_Forwarded_Host is not the X-Forwarded-Host of a trusted proxy
            continue
        key = _variable(name.decode("latin-1"))
        if key in environ:  # RFC 9113 lets a browser split the cookies into several headers
            environ[key] += (b"; " if key == "HTTP_COOKIE" else b",") + value
        elif key in _ALL_VARIABLES:
            environ[key] = value
    return environ


def variables_of(environ: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a copy of the variables that this module reads."""
    return {name: environ[name] for name in _ALL_VARIABLES if name in environ}


def request_cookies(environ: Mapping[str, Any], names: Collection[str]) -> Dict[str, str]:
    """Return the cookies of the request that have one of ``names``.

    If a name occurs twice, return the first, which has the more specific path. Invalid, empty and long cookies are
    ignored.
    """
    found: Dict[str, str] = {}
    for name, value in _cookies(environ):
        if name in names:
            found.setdefault(name, value)
    return found


def visitor_cookies(environ: Mapping[str, Any]) -> Dict[str, str]:
    """Return the cookies of the Experience Cloud visitor, one for each organization."""
    found: Dict[str, str] = {}
    for name, value in _cookies(environ):
        if name.startswith(VISITOR_COOKIE_PREFIX) and len(found) < _MAX_VISITOR_COOKIES:
            found.setdefault(name, value)
    return found


def _cookies(environ: Mapping[str, Any]) -> Iterator[Tuple[str, str]]:
    for part in _text(environ, "HTTP_COOKIE").split(";"):
        name, _, value = part.partition("=")
        value = value.strip().strip('"')
        if 0 < len(value) <= _COOKIE_LENGTH:
            yield name.strip(), value


def context(environ: Mapping[str, Any], proxies: int) -> Context:
    """Return the page, browser and address of a visitor. ``proxies`` is the number of trusted proxies."""
    address = _address(environ, proxies)
    language = _text(environ, "HTTP_ACCEPT_LANGUAGE")[:_LANGUAGE_LENGTH]
    return Context(
        channel=ChannelType.WEB,
        user_agent=_text(environ, "HTTP_USER_AGENT")[:_USER_AGENT_LENGTH] or None,
        client_hints=_client_hints(environ),
        browser=Browser(host=_host(environ, proxies) or None, language=language or None),
        address=Address(
            url=page_url(environ, proxies), referring_url=_text(environ, "HTTP_REFERER")[:_URL_LENGTH] or None
        ),
        geo=None if address is None else Geo(ip_address=address),
    )


def _client_hints(environ: Mapping[str, Any]) -> Optional[ClientHints]:
    """Return the client hints of the request, or None if it has none."""
    hints = {field: _hint(environ, header) for field, header in _HINT_HEADERS.items()}
    mobile = {"?0": False, "?1": True}.get(_text(environ, _variable(_MOBILE_HEADER)).strip())
    if mobile is None and not any(hints.values()):
        return None
    return ClientHints(mobile=mobile, **hints)


def _hint(environ: Mapping[str, Any], header: str) -> Optional[str]:
    """Return the value of a client hint. The quotes around a single string are removed; a list keeps its quotes."""
    value = _text(environ, _variable(header)).strip()
    if len(value) > _HINT_LENGTH:
        return None
    string = _HINT_STRING.fullmatch(value)
    return (string[1] if string else value) or None


def _variable(header: str) -> str:
    """Return the variable of an environ for a header."""
    return "HTTP_" + header.upper().replace("-", "_")


def scheme(environ: Mapping[str, Any], proxies: int) -> str:
    """Return the scheme that the browser used: ``https`` or ``http``."""
    # Each proxy replaces this header or passes it on, so the last value counts, however many proxies there are.
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


def page_url(environ: Mapping[str, Any], proxies: int) -> Optional[str]:
    """Return the page's URL, truncated to ``_URL_LENGTH``, or None if the host is unknown."""
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


_ALL_VARIABLES = (*_VARIABLES, *map(_variable, (*_HINT_HEADERS.values(), _MOBILE_HEADER)))
