"""What a WSGI environ says of the visitor: cookies, page, browser, address.

All of it is what anybody may send.  What makes no sense is not there, what is too long is
cut or not there, and nothing raises.  Values are text whose characters are bytes, as PEP 3333
has it, or the bytes themselves, which legacy servers and tests hand over.
"""

import ipaddress
import re
from typing import Any, Dict, Iterable, List, Mapping, Optional
from urllib.parse import quote

import six

from target_python_sdk.types import Address, ChannelType, Context, Geo

#: What is read here.
ENVIRON_VARIABLES = (
    "HTTP_COOKIE", "HTTP_HOST", "HTTP_REFERER", "HTTP_USER_AGENT", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT",
    "wsgi.url_scheme",
)  # fmt: skip
#: A longer cookie is not there.
_COOKIE_LENGTH = 8192
#: The longest URL that the schema takes.
_URL_LENGTH = 4096
#: Browsers send some hundred characters; audiences look for nothing that stands further behind.
_USER_AGENT_LENGTH = 2048
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
#: What stays as it is in a path, and in a query, which is quoted already.
_IN_PATH = "/:@!$&'()*+,;=~"
_IN_QUERY = _IN_PATH + "?%[]"
_TRUNCATED_ESCAPE = re.compile(r"%.?$")
_USUAL_PORT = {"http": "80", "https": "443"}


def request_cookies(environ: Mapping[str, Any], names: Iterable[str]) -> Dict[str, str]:
    """The cookies of those names that the browser sent.

    Of two alike the first counts, which is the one with the narrower path.  A part that is no
    cookie, is empty or too long, stands for nothing, and hides none of its neighbours.
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
    """Page, browser and address of the visitor, behind that many trusted proxies."""
    address = _address(environ, proxies)
    return Context(
        channel=ChannelType.WEB,
        user_agent=_text(environ, "HTTP_USER_AGENT")[:_USER_AGENT_LENGTH] or None,
        address=Address(url=_url(environ, proxies), referring_url=_text(environ, "HTTP_REFERER")[:_URL_LENGTH] or None),
        geo=None if address is None else Geo(ip_address=address),
    )


def scheme(environ: Mapping[str, Any], proxies: int) -> str:
    """By what the browser asked: ``https``, or ``http``."""
    # Proxies write over this header, or pass it on; only addresses are added up.
    said = _forwarded_values(environ, "HTTP_X_FORWARDED_PROTO", min(proxies, 1))
    name = said[0].lower() if said and said[0] else _text(environ, "wsgi.url_scheme")
    return "https" if name == "https" else "http"


def _bytes(environ: Mapping[str, Any], name: str) -> bytes:
    """A value as it came over the wire: PEP 3333 has it as text, each character a byte."""
    value = environ.get(name)
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    return value if isinstance(value, bytes) else b""


def _text(environ: Mapping[str, Any], name: str) -> str:
    return six.ensure_text(_bytes(environ, name), "utf-8", "replace")


def _forwarded_values(environ: Mapping[str, Any], name: str, proxies: int) -> List[str]:
    """The entries that trusted proxies wrote into a header, that of the outermost first; none if some wrote none."""
    entries = [entry.strip() for entry in _text(environ, name).split(",")] if proxies > 0 else []
    return entries[-proxies:] if len(entries) >= proxies else []


def _host(environ: Mapping[str, Any], proxies: int) -> str:
    """Host and port as the browser has them; nothing if nobody says anything usable."""
    said = _forwarded_values(environ, "HTTP_X_FORWARDED_HOST", min(proxies, 1))
    server, port = _text(environ, "SERVER_NAME"), _text(environ, "SERVER_PORT")
    own = server if not port or port == _USUAL_PORT[scheme(environ, proxies)] else server + ":" + port
    return next(filter(_HOST.fullmatch, [*said, _text(environ, "HTTP_HOST"), own]), "")


def _url(environ: Mapping[str, Any], proxies: int) -> Optional[str]:
    """The page's URL, cut where the schema ends; None where the host is not known."""
    host = _host(environ, proxies)
    if not host:
        return None
    path = quote(_bytes(environ, "SCRIPT_NAME") + _bytes(environ, "PATH_INFO"), _IN_PATH)
    query = quote(_bytes(environ, "QUERY_STRING"), _IN_QUERY)
    slash = "" if path.startswith("/") else "/"
    url = "{}://{}{}{}{}".format(scheme(environ, proxies), host, slash, path, query and "?" + query)
    return _TRUNCATED_ESCAPE.sub("", url[:_URL_LENGTH])


def _address(environ: Mapping[str, Any], proxies: int) -> Optional[str]:
    """The visitor's IP address: what the outermost trusted proxy saw, else who talks to this server."""
    said = _forwarded_values(environ, "HTTP_X_FORWARDED_FOR", proxies)
    text = said[0] if said else _text(environ, "REMOTE_ADDR").strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)
