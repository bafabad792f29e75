"""Mutated requests through the WSGI and ASGI middleware: no error, no foreign host, bounded CPU time and size."""

import asyncio
import json
import random
import re
import socket
import time
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple
from urllib.parse import quote

import pytest

from target_python_sdk import TargetClient, Visit
from target_python_sdk.integrations.asgi import TargetMiddleware as AsgiMiddleware
from target_python_sdk.integrations.asgi import visit_of
from target_python_sdk.integrations.wsgi import ENVIRON_KEY
from target_python_sdk.integrations.wsgi import TargetMiddleware as WsgiMiddleware
from target_python_sdk.offers import Offer
from tests.reliability.conftest import Quiet

SEED = 16
QA_MODE = quote(json.dumps({"token": "abc", "listedActivitiesOnly": True, "previewIndexes": [{"activityIndex": 1}]}))
AMCV = (
    "AMCV_1234567890%40AdobeOrg=-133|MCMID|41782|MCAAMLH-4000000000|9|MCAAMB-4000000000|blob|MCOPTOUT-4000000000s|NONE"
)
#: The headers of a request before the mutation.
HEADERS = {
    "Cookie": f"mbox=session#0001#9999999999|PC#abc.35_0#9999999999; mboxEdgeCluster=35; at_qa_mode={QA_MODE}; {AMCV}",
    "Host": "shop.example",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0",
    "Referer": "https://r.example/?q=%C3%A9",
    "Accept-Language": "de-CH,de;q=0.9",
    "Sec-CH-UA": '"Chromium";v="120", "Not?A_Brand";v="8"',
    "Sec-CH-UA-Mobile": "?1",
    "X-Forwarded-For": "192.0.2.66, 198.51.100.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.example:8443",
}
QUERY = "at_preview_token=abc&at_preview_index=1_2&at_preview_listed_activities_only=true"
#: Byte strings that are special to one of the parsers.
PIECES = (
    b"|", b"#", b";", b"=", b",", b"%", b"%00", b"%C3", b'"', b"\\", b"\r\n", b"\x00", b"\xff", b"\xed\xa0\x80", b"@",
    b"//evil.example", b"35.evil.example", b"mboxedge35", b".35_0", b"9" * 400, b"-1", b"NaN", b"[" * 2000, b"{}", b" ",
    b"::ffff:1.2.3.4", b"mbox=", b"mboxEdgeCluster=evil", b"MCMID|", b"MCAAMB-", b"MCOPTOUT-", b"null", b"1e999",
)  # fmt: skip
#: The allowed hosts: the client's, and that of a cluster. A cookie can name a cluster that does not exist.
HOST = re.compile(r"(?:acmeclient|mboxedge[a-z0-9-]{1,55})\.tt\.omtrdc\.net")
#: The maximum of ``request_size``, in characters.
MAX_REQUEST = 120_000
#: The maximum CPU time of one request, in seconds.
MAX_SECONDS = 1.0


def mutated(text: str, chance: random.Random) -> bytes:
    """Return the text with up to six changes: bytes replaced, pieces inserted, repeated, moved or removed."""
    value = text.encode()
    for _ in range(chance.randrange(7)):
        at = chance.randrange(len(value) + 1)
        to = min(len(value), at + chance.randrange(1, 40))
        value = chance.choice(
            [
                value[:at] + bytes([chance.randrange(256)]) + value[at + 1 :],
                value[:at] + chance.choice(PIECES) + value[at:],
                value[:at] + value[to:],
                value[:to] + value[at:to] * chance.choice([1, 2, 500]) + value[to:],
                value[at:] + value[:at],
            ]
        )[:65536]
    return value


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Set[str]:
    """The hosts that the client looks up. Each lookup fails."""
    found: Set[str] = set()

    def resolve(host: str, *_: Any, **__: Any) -> Any:
        found.add(host)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return found


@pytest.fixture
def client(hosts: Set[str]) -> Iterator[TargetClient]:
    options: Any = {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "logger": Quiet(),
        "timeout": 20000,
    }
    with TargetClient.create(**options, retries=1, circuit_breaker=False, on_error="raise") as made:
        yield made


def request_size(visit: Visit) -> int:
    """Use the visit as a view does; return the length of Target's request plus that of the call's options as text."""
    options: Any = visit.options()
    state = visit.server_state(), visit.cookies(), visit.visitor_cookie, visit.https
    assert state[:2] == ("null", [])
    return len(json.dumps(options["request"].to_dict(by_alias=True, exclude_none=True))) + len(str(options))


Request = Tuple[Dict[str, bytes], bytes, str]
#: Sends a request through a middleware, and returns its ``request_size`` and the offers.
Send = Callable[[Request], Tuple[int, List[Offer]]]


def wsgi_sender(client: TargetClient) -> Send:
    found: List[Any] = []

    def application(environ: Any, start_response: Any) -> List[bytes]:
        visit = environ[ENVIRON_KEY]
        found[:] = [request_size(visit), list(visit.offers("hero").values())]
        start_response("200 OK", [])
        return []

    middleware = WsgiMiddleware(application, client=client, trusted_proxies=1)

    def send(request: Request) -> Tuple[int, List[Offer]]:
        headers, query, path = request
        environ: Dict[str, Any] = {
            "HTTP_" + name.upper().replace("-", "_"): value.decode("latin-1") for name, value in headers.items()
        }
        environ.update(PATH_INFO=path, QUERY_STRING=query.decode("latin-1"), REMOTE_ADDR="203.0.113.7")
        environ["wsgi.url_scheme"] = "http"
        middleware(environ, lambda status, given, exc_info=None: lambda data: None)
        return found[0], found[1]

    return send


def asgi_sender(client: TargetClient) -> Send:
    found: List[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        visit = visit_of(scope)
        found[:] = [request_size(visit), list((await visit.offers_async("hero")).values())]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    middleware = AsgiMiddleware(application, client=client, trusted_proxies=1)

    async def nothing(*_: Any) -> None:
        pass

    def send(request: Request) -> Tuple[int, List[Offer]]:
        headers, query, path = request
        scope = {
            "type": "http",
            "path": path,
            "query_string": query,
            "client": ("203.0.113.7", 1),
            "headers": [(name.lower().encode(), value) for name, value in headers.items()],
        }
        asyncio.run(middleware(scope, nothing, nothing))
        return found[0], found[1]

    return send


@pytest.mark.slow
@pytest.mark.parametrize("count", [150, pytest.param(10_000, marks=pytest.mark.fuzz)])
@pytest.mark.parametrize("sender", [wsgi_sender, asgi_sender])
def test_a_mutated_request_is_served_within_limits_and_calls_no_foreign_host(
    sender: Callable[[TargetClient], Send], count: int, client: TargetClient, hosts: Set[str]
) -> None:
    chance, send, sizes = random.Random(SEED), sender(client), []
    for _ in range(count):
        headers = {name: mutated(value, chance) for name, value in HEADERS.items() if chance.random() < 0.9}
        request = (headers, mutated(QUERY, chance), mutated("/shop", chance).decode("utf-8", "replace"))
        began = time.process_time()
        size, offers = send(request)
        assert time.process_time() - began < MAX_SECONDS, request
        assert not any(offers)
        sizes.append(size)
    assert max(sizes) < MAX_REQUEST
    assert {host for host in hosts if not HOST.fullmatch(host)} == set()
    assert len(hosts) > 1  # the client's own host, and the host of a cluster that a cookie named
