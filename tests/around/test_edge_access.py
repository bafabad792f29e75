"""The hosts and origins whose requests the local edge accepts, and its CORS headers for configured origins."""

import http.client
import socket
from typing import Dict, Iterator, List, Tuple

import pytest

from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.security import AccessPolicy
from target_tools.errors import OptionError
from tests.around.edge_http import ask

SHOP = "https://shop.example"
DELIVERY = "/rest/v1/delivery?imsOrgId=o&sessionId=s"
BODY = b'{"context": {"channel": "web"}}'


@pytest.fixture()
def edge() -> Iterator[LocalEdge]:
    with LocalEdge(origins=[SHOP]) as edge:
        yield edge


HOSTS: List[Tuple[str, str, bool]] = [
    ("127.0.0.1", "127.0.0.1:8080", True),
    ("127.0.0.1", "127.8.9.1", True),
    ("127.0.0.1", "localhost:8080", True),
    ("127.0.0.1", "LOCALHOST.", True),
    ("127.0.0.1", "edge.localhost:8080", True),
    ("127.0.0.1", "[::1]:8080", True),
    ("127.0.0.1", "shop.example:8080", True),  # the host of a configured origin
    ("127.0.0.1", "evil.example:8080", False),
    ("127.0.0.1", "localhost.evil.example", False),
    ("127.0.0.1", "notlocalhost", False),
    ("127.0.0.1", "127.0.0.1.evil.example", False),
    ("127.0.0.1", "192.168.1.5:8080", False),
    ("127.0.0.1", "user@127.0.0.1", False),
    ("127.0.0.1", "127.0.0.1, evil.example", False),
    ("127.0.0.1", "", False),
    ("dev.internal", "DEV.internal:80", True),
    ("192.168.1.5", "192.168.1.5", True),
    ("192.168.1.5", "192.168.1.6", False),
    ("0.0.0.0", "192.168.1.5:8080", True),  # safe, because DNS rebinding works only with a host name
    ("0.0.0.0", "[fe80::1]:8080", True),
    ("0.0.0.0", "evil.example", False),
    ("2001:db8::1", "[2001:db8::1]:8080", True),
    ("2001:db8::1", "[2001:db8::2]:8080", False),
    ("::", "[2001:db8::2]:8080", True),
]


@pytest.mark.parametrize(("edge_host", "host", "is_accepted"), HOSTS)
def test_the_host_must_be_loopback_or_the_edge_or_a_configured_origin(
    edge_host: str, host: str, is_accepted: bool
) -> None:
    refusal = AccessPolicy(edge_host, [SHOP]).refusal("GET", "/notifications", {"host": host})
    assert (refusal is None) is is_accepted
    if refusal is not None:
        assert refusal.status == 403
        assert repr(host) in refusal.problem


ORIGINS: List[Tuple[Dict[str, str], bool]] = [
    ({}, True),
    ({"origin": "http://localhost:8080"}, True),
    ({"origin": "http://LOCALHOST:8080"}, True),
    ({"origin": SHOP}, True),
    ({"origin": SHOP, "sec-fetch-site": "cross-site"}, True),
    ({"origin": "http://shop.example"}, False),
    ({"origin": SHOP + ":8443"}, False),
    ({"origin": "https://localhost:8080"}, False),
    ({"origin": "http://localhost:3000"}, False),
    ({"origin": "https://evil.example"}, False),
    ({"origin": "null"}, False),
    ({"origin": ""}, False),
    ({"origin": f"{SHOP}, https://evil.example"}, False),
    ({"sec-fetch-site": "none"}, True),
    ({"sec-fetch-site": "same-origin"}, True),
    ({"sec-fetch-site": "same-site"}, False),
    ({"sec-fetch-site": "cross-site"}, False),
    ({"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}, False),
]


@pytest.mark.parametrize(("headers", "is_accepted"), ORIGINS)
def test_the_origin_must_be_the_edge_or_a_configured_origin(headers: Dict[str, str], is_accepted: bool) -> None:
    policy = AccessPolicy("127.0.0.1", [SHOP])
    refusal = policy.refusal("POST", "/rest/v1/delivery", {"host": "localhost:8080", **headers})
    assert (refusal is None) is is_accepted
    assert refusal is None or refusal.status == 403


def test_a_link_on_another_page_may_lead_to_the_start_page() -> None:
    headers = {"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}
    policy = AccessPolicy("127.0.0.1")
    assert policy.refusal("GET", "/", headers) is None
    assert policy.refusal("GET", "/", {**headers, "sec-fetch-dest": "iframe"}) is not None
    assert policy.refusal("POST", "/", headers) is not None


@pytest.mark.parametrize(
    ("origin", "browsers_send"),
    [
        ("http://localhost:3000", "http://localhost:3000"),
        ("HTTPS://Shop.Example:443", SHOP),
        ("http://shop.example:80", "http://shop.example"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("chrome-extension://abc", "chrome-extension://abc"),
    ],
)
def test_origins_are_compared_in_the_form_that_browsers_send(origin: str, browsers_send: str) -> None:
    assert AccessPolicy("127.0.0.1", [origin]).origins == {browsers_send}


@pytest.mark.parametrize(
    "origin", ["*", "null", "shop.example", "https://shop.example/", "https://", "https://a b", ""]
)
def test_an_invalid_origin_is_an_error(origin: str) -> None:
    with pytest.raises(OptionError, match=r"^origins\[0\]: expected (an origin such as|a non-empty string)"):
        LocalEdge(origins=[origin])
    with pytest.raises(OptionError, match=r"^origins: expected a list of origins, got 'https"):
        LocalEdge(origins=SHOP)


@pytest.mark.server
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/notifications", "/events", "/acmeclient/production/v1/rules.json", DELIVERY])
def test_a_refused_request_gets_no_data_and_is_not_recorded(
    edge: LocalEdge, path: str, headers: Dict[str, str], status: int
) -> None:
    method = "POST" if path == DELIVERY else "GET"
    answer = ask(edge, method, path, BODY if method == "POST" else None, headers)
    assert answer.status == status
    assert answer.body.startswith(b'{"status": 403, "message": "')
    assert "access-control-allow-origin" not in answer.headers
    assert edge.requests == []


@pytest.mark.server
def test_a_large_body_of_a_refused_request_is_not_kept_and_the_reply_arrives(edge: LocalEdge) -> None:
    for _ in range(3):
        answer = ask(edge, "POST", "/x", b" " * 3_900_000, {"Origin": "https://evil.example"})
        assert (answer.status, answer.headers["connection"]) == (403, "close")
    assert edge.requests == []


@pytest.mark.server
@pytest.mark.parametrize(
    ("header", "status"), [("Origin: https://evil.example", b"403"), ("Content-Length: 99999999", b"413")]
)
def test_the_edge_does_not_request_the_body_of_a_refused_request(edge: LocalEdge, header: str, status: bytes) -> None:
    length = "" if header.startswith("Content-Length") else "Content-Length: 2\r\n"
    head = f"POST {DELIVERY} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n{length}Expect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", edge.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 " + status)


@pytest.mark.server
def test_a_page_of_a_configured_origin_can_use_the_edge(edge: LocalEdge) -> None:
    preflight = ask(
        edge,
        "OPTIONS",
        DELIVERY,
        headers={
            "Origin": SHOP,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-request-id",
            "Access-Control-Request-Private-Network": "true",
        },
    )
    assert (preflight.status, preflight.body) == (204, b"")
    allowed = {name: text for name, text in preflight.headers.items() if name.startswith("access-control-")}
    assert allowed == {
        "access-control-allow-origin": SHOP,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "ETag",
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "content-type,x-request-id",
        "access-control-allow-private-network": "true",
        "access-control-max-age": "600",
    }
    assert edge.requests == []  # preflight requests are not recorded

    answer = ask(edge, "POST", DELIVERY, BODY, {"Origin": SHOP, "Sec-Fetch-Site": "cross-site"})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert len(edge.requests) == 1

    rejected = ask(edge, "POST", DELIVERY, b"{}", {"Origin": SHOP})
    assert (rejected.status, rejected.headers["access-control-allow-origin"]) == (400, SHOP)


@pytest.mark.server
def test_at_js_can_use_the_edge(edge: LocalEdge) -> None:
    """Unlike the SDK, at.js sends the client code instead of the organization, and JSON as plain text."""
    path = "/rest/v1/delivery?client=acmeclient&sessionId=s&version=2.11.4"
    headers = {"Origin": SHOP, "Content-Type": "text/plain"}
    answer = ask(edge, "POST", path, b'{"context": {"channel": "web"}, "execute": {"pageLoad": {}}}', headers)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, SHOP)
    assert b'"pageLoad"' in answer.body


@pytest.mark.server
def test_a_preflight_request_of_another_origin_gets_no_permission(edge: LocalEdge) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = ask(edge, "OPTIONS", DELIVERY, headers=headers)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.server
def test_the_vary_header_contains_origin_if_origins_are_configured(edge: LocalEdge) -> None:
    """A cache must not give one origin's reply to another."""
    assert ask(edge, "GET", "/a/production/v1/rules.json").headers["vary"] == "Accept-Encoding, Origin"
    assert ask(edge, "GET", "/v1/geo").headers["vary"] == "Origin"
    with LocalEdge() as other:
        answer = ask(other, "GET", "/v1/geo", headers={"Origin": f"http://127.0.0.1:{other.port}"})
    assert answer.status == 200
    assert "vary" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.server
@pytest.mark.parametrize("host", ["::1", "::"])
def test_the_edge_listens_on_an_ipv6_address(host: str) -> None:
    with LocalEdge(host=host) as edge:
        assert edge.domain == f"[{host}]:{edge.port}"
        connection = http.client.HTTPConnection("::1", edge.port, timeout=30)
        connection.request("GET", "/v1/geo")
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.server
def test_a_request_without_a_host_is_an_error(edge: LocalEdge) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=30)
    connection.putrequest("GET", "/", skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()
