"""The ASGI integration: a visit in the scope of each HTTP request, and its headers on the response."""

import asyncio
import contextlib
import logging
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, List, Tuple

import httpx
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from target_python_sdk import TargetClient, Visit
from target_python_sdk.errors import OptionError
from target_python_sdk.integrations.asgi import SCOPE_KEY, CookieOptions, TargetMiddleware, visit_of
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.types import TargetDeliveryResponse
from target_python_sdk.visits.environ import ACCEPT_CH
from target_python_sdk.visits.settings import VisitSettings
from tests.integrations.browsing import HERO
from tests.support import client_of

pytestmark = pytest.mark.server

MBOX = "session#0001#9999999999|PC#abc.35_0#9999999999"
View = Callable[[Request], Awaitable[Response]]


def answer_with(value: str = MBOX) -> TargetDeliveryResponse:
    """Return an answer that sets a cookie."""
    cookie: Any = {"name": "mbox", "value": value, "maxAge": 60, "max_age": 60}
    return TargetDeliveryResponse(target_cookie=cookie)


def application_of(view: View, *routes: Any, **options: Any) -> Starlette:
    application = Starlette(routes=[Route("/", view, methods=["GET", "HEAD"]), *routes])
    application.add_middleware(TargetMiddleware, **options)
    return application


def browser_of(application: Any) -> TestClient:
    return TestClient(application, base_url="https://shop.example")


async def hero(request: Request) -> Response:
    offers = await visit_of(request).offers_async("hero")
    return HTMLResponse(offers["hero"].html or "default")


async def nothing(request: Request) -> Response:
    return JSONResponse({})


async def remembering(request: Request) -> Response:
    visit_of(request).remember(answer_with())
    return JSONResponse({})


# A visitor


def test_a_returning_visitor_is_recognized(client: TargetClient, edge: LocalEdge) -> None:
    """The browser sends back the cookies, so both requests have the same session and the same visitor."""
    before = len(edge.requests)
    browser = browser_of(application_of(hero, client=client))
    first = browser.get("/?q=1", headers={"User-Agent": "Mozilla/5.0", "Referer": "https://r.example/"})
    assert first.text == HERO
    assert {cookie.name for cookie in browser.cookies.jar} == {"mbox", "mboxEdgeCluster"}
    assert "Secure" in first.headers["set-cookie"] and "SameSite=Lax" in first.headers["set-cookie"]
    assert first.headers["cache-control"] == "private"
    assert first.headers["vary"] == "Cookie"
    assert browser.get("/").text == HERO

    one, two = edge.requests[before:]
    assert one.query["sessionId"] == two.query["sessionId"]
    assert two.body["id"]["tntId"] in first.headers["set-cookie"]
    assert one.body["context"]["address"] == {
        "url": "https://shop.example/?q=1", "referringUrl": "https://r.example/"
    }  # fmt: skip
    assert one.body["context"]["userAgent"] == "Mozilla/5.0"


def test_httpx_calls_the_application_without_a_server(client: TargetClient) -> None:
    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(app=application_of(hero, client=client))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as browser:
            return await browser.get("/")

    response = asyncio.run(main())
    assert response.text == HERO
    assert len(response.headers.get_list("set-cookie")) == 2


def test_a_view_gets_attributes_and_reports_displays_and_clicks(client: TargetClient, edge: LocalEdge) -> None:
    displays, clicks = len(edge.displays), len(edge.clicks)

    async def view(request: Request) -> Response:
        visit = visit_of(request)
        attributes = await visit.attributes_async("flags")
        offers = await visit.offers_async("hero", prefetch=True)
        visit.display(offers["hero"])
        visit.click(offers["hero"])
        return JSONResponse(attributes.as_object("flags"))

    assert browser_of(application_of(view, client=client)).get("/").json() == {"color": "red"}
    assert client.flush()
    assert [event.location for event in edge.displays[displays:]] == ["flags", "hero"]
    assert [event.location for event in edge.clicks[clicks:]] == ["hero"]


@pytest.mark.parametrize("on_error", ["raise", "default"])
def test_the_page_is_served_even_if_the_edge_is_down(on_error: str) -> None:
    with TargetClient.create(
        client="acmeclient", organization_id="1@AdobeOrg", server_domain="127.0.0.1:9", secure=False, retries=1,
        on_error=on_error,
    ) as unreachable:  # fmt: skip
        response = browser_of(application_of(hero, client=unreachable)).get("/")
    assert (response.status_code, response.text) == (200, "default")


def test_the_page_is_served_without_activities() -> None:
    with LocalEdge({"activities": []}) as empty, client_of(empty) as client:
        response = browser_of(application_of(hero, client=client)).get("/")
    assert (response.status_code, response.text) == (200, "default")
    assert len(response.headers.get_list("set-cookie")) == 2


def test_the_client_may_be_created_in_the_lifespan(edge: LocalEdge) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        async with TargetClient.create_async(
            client="acmeclient", organization_id="1@AdobeOrg", server_domain=edge.domain, secure=False
        ) as client:
            application.state.target_client = client
            yield

    application = Starlette(routes=[Route("/", hero)], lifespan=lifespan)
    application.add_middleware(TargetMiddleware, client=lambda: application.state.target_client)
    with browser_of(application) as browser:
        assert browser.get("/").text == HERO
    assert "(closed)" in repr(application.state.target_client)


# Responses


async def refused(request: Request) -> Response:
    visit_of(request).remember(answer_with())
    raise HTTPException(404, "not here")


async def streamed(request: Request) -> Response:
    visit_of(request).remember(answer_with())

    async def body() -> AsyncIterator[bytes]:
        for part in (b"o", b"k"):
            yield part

    return StreamingResponse(body())


async def with_a_task(request: Request) -> Response:
    visit = visit_of(request)
    visit.remember(answer_with())
    return JSONResponse({}, background=BackgroundTask(visit.remember, answer_with("later")))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("view", [remembering, refused, streamed, with_a_task])
def test_every_kind_of_response_gets_the_cookies(view: View, method: str) -> None:
    response = browser_of(application_of(view)).request(method, "/")
    assert response.headers["set-cookie"] == f"mbox={MBOX}; Max-Age=60; Path=/; Secure; SameSite=Lax"
    assert response.headers["cache-control"] == "private"


def test_a_late_cookie_is_logged_and_not_set(caplog: pytest.LogCaptureFixture) -> None:
    """A background task runs after the headers were sent. The log line does not show the value."""
    with caplog.at_level(logging.DEBUG, "adobe.target"):
        browser_of(application_of(with_a_task)).get("/")
    messages = [record.getMessage() for record in caplog.records if record.name == "adobe.target"]
    assert messages == ["The cookie mbox is not set, because the headers were already sent"]


async def failing(request: Request) -> Response:
    visit_of(request).remember(answer_with())
    raise RuntimeError("a bug of the application")


def test_a_500_page_gets_the_cookies_if_the_middleware_wraps_the_whole_application() -> None:
    """Starlette sends the page for an unhandled exception outside of all middleware added by ``add_middleware``."""
    for application, count in (
        (TargetMiddleware(Starlette(routes=[Route("/", failing)])), 1),
        (application_of(failing), 0),
    ):
        browser = TestClient(application, raise_server_exceptions=False)
        response = browser.get("/")
        assert response.status_code == 500
        assert len(response.headers.get_list("set-cookie")) == count


def test_a_response_that_does_not_depend_on_the_visitor_is_unchanged() -> None:
    assert set(browser_of(application_of(nothing)).get("/").headers) == {"content-length", "content-type"}


def test_the_settings_of_visits_apply() -> None:
    application = application_of(
        remembering,
        cookies=CookieOptions("shop.example"),
        cache_control=False,
        accept_client_hints=True,
        trusted_proxies=1,
    )
    headers = browser_of(application).get("/", headers={"X-Forwarded-Proto": "http"}).headers
    assert headers["set-cookie"] == f"mbox={MBOX}; Max-Age=60; Path=/; Domain=shop.example; SameSite=Lax"
    assert headers["accept-ch"] == ACCEPT_CH
    assert "cache-control" not in headers


def test_an_invalid_option_raises_at_once() -> None:
    with pytest.raises(OptionError, match="did you mean 'trusted_proxies'"):
        TargetMiddleware(Starlette(), trusted_proxy=1)  # type: ignore[call-arg]


# The protocol


async def called(application: Any, scope: Dict[str, Any], *messages: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Call an application as a server does; return the messages that it sent."""
    incoming, sent = iter(messages), []

    async def receive() -> Dict[str, Any]:
        return next(incoming)

    async def send(message: Dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return sent


def http_scope(**values: Any) -> Dict[str, Any]:
    return {"type": "http", "path": "/", "method": "GET", "headers": [], "query_string": b"", **values}


def test_messages_and_headers_of_the_application_are_kept() -> None:
    """The application's message is not modified. The names of headers are in lower case, as ASGI requires."""
    start = {"type": "http.response.start", "status": 200, "trailers": True, "headers": ((b"x-a", b"\xe9"),)}
    hint = {"type": "http.response.early_hint", "links": []}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope[SCOPE_KEY].remember(answer_with())
        await send(hint)
        await send(start)
        await send({"type": "http.response.body"})

    sent = asyncio.run(called(TargetMiddleware(application), http_scope()))
    assert sent[0] is hint
    assert start["headers"] == ((b"x-a", b"\xe9"),)
    assert sent[1] == {**start, "headers": sent[1]["headers"]}
    assert [name for name, _ in sent[1]["headers"]] == [b"x-a", b"set-cookie", b"cache-control", b"vary"]
    assert sent[1]["headers"][0] == (b"x-a", b"\xe9")
    assert all(isinstance(part, bytes) for header in sent[1]["headers"] for part in header)


def test_a_response_start_without_headers_gets_the_headers_of_the_visit() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope[SCOPE_KEY].remember(answer_with())
        await send({"type": "http.response.start", "status": 204})

    sent = asyncio.run(called(TargetMiddleware(application), http_scope()))
    assert [name for name, _ in sent[0]["headers"]] == [b"set-cookie", b"cache-control", b"vary"]


@pytest.mark.parametrize("kind", ["lifespan", "websocket", "unknown"])
def test_scopes_other_than_http_are_passed_on_unchanged(kind: str) -> None:
    """The application gets the server's own objects."""
    got: List[Tuple[Any, ...]] = []

    async def application(*arguments: Any) -> None:
        got.append(arguments)

    arguments: Tuple[Any, ...] = ({"type": kind}, object(), object())
    asyncio.run(TargetMiddleware(application)(*arguments))
    assert len(got) == 1
    assert all(ours is theirs for ours, theirs in zip(got[0], arguments))
    assert arguments[0] == {"type": kind}


def test_the_scope_is_shared_with_the_application() -> None:
    """Monitoring tools read what the application adds to the scope. The visit holds no reference to the scope."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = "/items/{id}"

    scope = http_scope(state={"own": 1})
    asyncio.run(called(TargetMiddleware(application), scope))
    assert scope["route"] == "/items/{id}"
    assert scope["state"] == {"own": 1}
    assert isinstance(scope[SCOPE_KEY], Visit)
    assert all(value is not scope for value in vars(scope[SCOPE_KEY]).values())


def test_a_mounted_application_may_have_its_own_middleware(client: TargetClient) -> None:
    """The URL of the page contains the prefix of the mount, and each cookie is set once."""
    urls: List[str] = []

    async def view(request: Request) -> Response:
        urls.append(visit_of(request).url or "")
        return await remembering(request)

    inner = application_of(view)
    response = browser_of(application_of(nothing, Mount("/shop", inner), client=client)).get("/shop/")
    assert urls == ["https://shop.example/shop/"]
    assert len(response.headers.get_list("set-cookie")) == 1


def test_a_websocket_works_and_may_create_a_visit(client: TargetClient) -> None:
    urls: List[Any] = []

    async def socket(websocket: WebSocket) -> None:
        with pytest.raises(OptionError, match="a WebSocket has no visit"):
            visit_of(websocket)
        await websocket.accept()
        visit = Visit.of(websocket, VisitSettings(client=client))
        urls.append(visit.url)
        offers = await visit.offers_async("hero")
        await websocket.send_text(offers["hero"].html or "default")
        await websocket.close()

    application = application_of(nothing, WebSocketRoute("/socket", socket), client=client)
    with browser_of(application).websocket_connect("wss://shop.example/socket") as connected:
        assert connected.receive_text() == HERO
    assert urls == ["https://shop.example/socket"]


def test_without_the_middleware_the_error_says_to_add_it() -> None:
    with pytest.raises(OptionError, match="this request has no visit; add TargetMiddleware"):
        TestClient(Starlette(routes=[Route("/", hero)])).get("/")


def test_requests_at_the_same_time_do_not_mix_their_visitors(client: TargetClient) -> None:
    """Each visitor gets back the device id that it sent."""
    application = application_of(hero, client=client)

    async def visitor(number: int) -> bool:
        device = f"visitor{number}.35_0"
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=application),
            base_url="http://shop.example",
            headers={"Cookie": f"mbox=session#s{number}#9999999999|PC#{device}#9999999999"},
        ) as browser:
            return device in (await browser.get("/")).headers["set-cookie"]

    async def main() -> List[bool]:
        return await asyncio.gather(*map(visitor, range(20)))

    assert asyncio.run(main()) == [True] * 20


def test_a_cancelled_request_leaves_the_client_usable(client: TargetClient) -> None:
    """For example, a server cancels the application after the browser has disconnected."""

    async def main() -> None:
        task = asyncio.ensure_future(called(application_of(hero, client=client), http_scope()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert browser_of(application_of(hero, client=client)).get("/").text == HERO
