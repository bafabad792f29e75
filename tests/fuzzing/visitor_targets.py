"""Targets for what a visitor's browser sends: cookies, headers and URLs. None of it may raise an error."""

from typing import Any, Dict, List, Tuple
from urllib.parse import unquote_to_bytes

from target_python_sdk.delivery.cookies import choose_cluster, parse_target_cookie, target_cookie, valid_hint
from target_python_sdk.delivery.visitor_cookie import parse_visitor_cookie
from target_python_sdk.qa_links import qa_link, qa_mode_of
from target_python_sdk.visits.browser_request import BrowserRequest
from target_python_sdk.visits.environ import environ_of_scope
from target_python_sdk.visits.settings import VisitSettings
from target_python_sdk.visits.visit import Visit
from target_tools.client_info import (
    BROWSERS,
    MAX_USER_AGENT,
    PLATFORMS,
    browser_from_user_agent,
    device_type_from_user_agent,
    operating_system_from_user_agent,
    parse_client_info,
)
from target_tools.page_url import PageUrl
from tests.fuzzing.calls import NOW, ORGANIZATION, check_cookie, prepared, text_of

_VISITOR_KEYS = {"MCMID", "MCAAMLH", "MCAAMB", "MCAID", "MCOPTOUT"}
_FORWARDED = b"x-forwarded-"


def check_target_cookie(data: bytes) -> None:
    """Check the ``mbox`` cookie in the first line of ``data``, and the ``mboxEdgeCluster`` cookie in the second."""
    cookie, _, hint = text_of(data).partition("\n")
    parts = parse_target_cookie(cookie, NOW)
    assert len(parts) <= 10, parts
    assert sum(map(len, parts.values())) <= 8192
    session, device = parts.get("session"), parts.get("PC")
    if session:
        _check_written_cookie(session, device)
    found = prepared(target_cookie=cookie, target_location_hint=hint)
    chosen, _ = choose_cluster(device, None, hint)
    assert found.cluster in (chosen, valid_hint(hint), None), found.cluster
    prepared(target_cookie=data)


def _check_written_cookie(session: str, device: Any) -> None:
    """Check that the next request gets the ids of the cookie that is written, and no others."""
    value = check_cookie(target_cookie(session, device, NOW))
    again = parse_target_cookie(value, NOW)
    ids = {"session": _encodable(session), "PC": _encodable(device or "")}
    assert again.items() <= ids.items(), (again, ids)
    assert len(again) == value.count("|") + 1 if value else not again, value


def _encodable(text: str) -> str:
    """Return ``text`` after percent-encoding and decoding, which replaces lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


def check_visitor_cookie(data: bytes) -> None:
    """Check an ``AMCV_…`` cookie, or a ``Cookie`` header."""
    text = text_of(data)
    values = parse_visitor_cookie(text, ORGANIZATION, NOW)
    assert values.keys() <= _VISITOR_KEYS, values
    assert "MCOPTOUT" not in values or len(values) == 1, values
    assert all(0 < len(value) <= 1024 and value.isascii() and value.isprintable() for value in values.values()), values
    other = text.replace("1234567890", "1234567899").replace("%31", "")
    if "=" in text.partition("|")[0]:  # only the cookie of the organization is read
        assert parse_visitor_cookie(other, ORGANIZATION, NOW) == {} or "1234567890" in other
    found = prepared(visitor_cookie=text)
    assert (found.cluster, found.refused_hints) == (None, 0), found


def check_user_agent(data: bytes) -> None:
    """Check a User-Agent, a list of brands and a platform, one per line."""
    lines = (text_of(data) + "\n\n").split("\n")
    agent, brands, platform = lines[:3]
    found = parse_client_info(agent, brands, platform)
    assert found.browser in BROWSERS, found
    assert found.platform in PLATFORMS, found
    assert -1 <= found.version <= 99999, found
    assert found == parse_client_info(*(text[:MAX_USER_AGENT] for text in (agent, brands, platform)))
    assert browser_from_user_agent(agent)["version"] == parse_client_info(agent).version
    assert operating_system_from_user_agent(agent)
    assert device_type_from_user_agent(agent)


def check_page_url(data: bytes) -> None:
    """Check the parts of a page's URL, and the QA mode in it."""
    text = text_of(data)
    url = PageUrl(text)
    assert url.url == text
    for part in (url.path, url.query, url.fragment):
        assert part in text, part
    assert not set("/?#@") & set(url.host), url.host
    assert url.host == url.host.lower(), url.host
    assert len(url.host) <= 3 * len(text), "lower case made the host more than three times as long"
    assert url.host.endswith(url.domain), (url.host, url.domain)
    assert url.domain.endswith(url.top_level_domain), (url.domain, url.top_level_domain)
    assert url.subdomain in url.host, (url.host, url.subdomain)
    assert PageUrl(f"https://{url.host}/").host in (url.host, url.host[:-1]), url.host
    mode = qa_mode_of(text)
    if mode is not None:
        assert qa_mode_of(qa_link("https://shop.example/", mode)) == mode, mode


def check_http_request(data: bytes) -> None:
    """Check that an HTTP request results in the same visit under a WSGI server and under an ASGI server."""
    target, headers = _parsed_request(data)
    environ, scope = _environ(target, headers), _scope(target, headers)
    for proxies in (0, 1):
        visit = Visit(environ, VisitSettings(trusted_proxies=proxies))
        other = Visit(environ_of_scope(scope), VisitSettings(trusted_proxies=proxies))
        options: Any = visit.options()
        assert _comparable(options) == _comparable(other.options()), (options, other.options())
        assert visit.https == other.https
        prepared(**options)
        assert visit.cookies() == []
        assert visit.server_state() == visit.visitor_state() == "null"
    others = [header for header in headers if not header[0].startswith(_FORWARDED)]
    context = BrowserRequest(_environ(target, others)).context
    assert BrowserRequest(environ).context == context, "X-Forwarded headers are used without a trusted proxy"


def _comparable(options: Any) -> Dict[str, Any]:
    """Return options that can be compared: without the session id, which is random if there is no cookie."""
    return {**options, "request": options["request"].to_dict(exclude_none=True), "session_id": None}


def _parsed_request(data: bytes) -> Tuple[bytes, List[Tuple[bytes, bytes]]]:
    """Return the target of a request, and those headers that a server accepts."""
    first, *lines = data.replace(b"\r", b"").split(b"\n")
    pairs = [line.partition(b":") for line in lines]
    target = first.split(b" ")[1] if first.count(b" ") else first
    headers = [(name.lower(), value.strip()) for name, _, value in pairs if name and b"_" not in name]
    return target, [(name, value) for name, value in headers if name.isascii()][:100]


def _environ(target: bytes, headers: List[Tuple[bytes, bytes]]) -> Dict[str, Any]:
    """Return the environ that a WSGI server creates."""
    path, _, query = target.partition(b"?")
    environ: Dict[str, Any] = {
        "PATH_INFO": _decoded(path).encode("utf-8").decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "REMOTE_ADDR": "203.0.113.7",
        "wsgi.url_scheme": "http",
    }
    for name, value in headers:
        key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        separator = "; " if name == b"cookie" else ","
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]}{separator}{text}" if key in environ else text
    return environ


def _scope(target: bytes, headers: List[Tuple[bytes, bytes]]) -> Dict[str, Any]:
    """Return the scope that an ASGI server creates."""
    path, _, query = target.partition(b"?")
    return {
        "type": "http",
        "path": _decoded(path),
        "query_string": query,
        "client": ("203.0.113.7", 1),
        "headers": headers,
    }


def _decoded(path: bytes) -> str:
    return unquote_to_bytes(path).decode("utf-8", "replace")
