"""The fake client under WSGI, ASGI, Celery and threads. ``docs/testing.md`` tests Flask, Django and FastAPI."""

import asyncio
import contextvars
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from target_python_sdk import TargetClient, Visit, VisitSettings
from target_python_sdk.errors import ConnectionFailed
from target_python_sdk.integrations import asgi, wsgi
from target_python_sdk.testing import FakeTargetClient
from target_python_sdk.types import DeliveryRequest, MboxRequest, PrefetchRequest
from tests.support import installing

ENVIRON: Dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "SERVER_NAME": "shop.example",
    "SERVER_PORT": "443",
    "PATH_INFO": "/",
    "HTTP_COOKIE": "",
    "wsgi.url_scheme": "https",
    "wsgi.input": io.BytesIO(),
}
HERO = DeliveryRequest(prefetch=PrefetchRequest(mboxes=[MboxRequest(name="hero")]))


@pytest.fixture(params=["server-side", "hybrid", "on-device"])
def target(request: pytest.FixtureRequest) -> Iterator[FakeTargetClient]:
    with FakeTargetClient.create(decisioning_method=request.param) as client:
        client.show("hero", html="<b>B</b>")
        yield client


def test_a_visit_reports_displays_and_clicks(target: FakeTargetClient) -> None:
    visit = Visit(ENVIRON, VisitSettings(client=target))
    offers = visit.offers("hero", prefetch=True)
    visit.display(offers["hero"])
    visit.click(offers["hero"])
    assert (target.displayed, target.clicked) == (["hero"], ["hero"])
    assert {cookie.name for cookie in visit.cookies()} >= {"mbox"}
    context = target.requests[-1].context
    assert context is not None
    assert context.address is not None
    assert context.address.url == "https://shop.example/"


def test_a_wsgi_application_sets_the_cookies_of_the_answer(target: FakeTargetClient) -> None:
    def application(environ: Any, start_response: Any) -> List[bytes]:
        offers = environ["adobe.target"].offers("hero")
        start_response("200 OK", [])
        return [(offers["hero"].html or "Welcome").encode()]

    started: List[Tuple[str, List[Tuple[str, str]]]] = []
    served: Any = wsgi.TargetMiddleware(application, client=target)
    assert served(dict(ENVIRON), lambda *head: started.append(head)) == [b"<b>B</b>"]
    assert any(name == "Set-Cookie" and value.startswith("mbox=") for name, value in started[0][1])


def test_an_asgi_application_awaits_its_offers_in_one_context(target: FakeTargetClient) -> None:
    """Five requests make three calls each at the same time. The calls of a request run in its context."""
    current: contextvars.ContextVar[int] = contextvars.ContextVar("current")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        current.set(scope["number"])
        visit = asgi.visit_of(scope)
        several = await asyncio.gather(*(visit.offers_async("hero") for _ in range(3)))
        assert current.get() == scope["number"]
        sent.append([offers["hero"].html for offers in several])

    async def serve() -> None:
        middleware = asgi.TargetMiddleware(application, client=target)
        scope = {"type": "http", "path": "/", "headers": [], "query_string": b"", "scheme": "https"}
        await asyncio.gather(*(middleware({**scope, "number": each}, None, None) for each in range(5)))  # type: ignore[arg-type]

    sent: List[List[Any]] = []
    asyncio.run(serve())
    assert sent == [["<b>B</b>"] * 3] * 5
    assert target.displayed == ["hero"] * 15


def test_threads_share_a_client(target: FakeTargetClient) -> None:
    def html(_: int) -> Any:
        return target.get_offers(request=HERO).offer("hero").html

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(html, range(100))) == {"<b>B</b>"}


def test_a_celery_task_uses_the_client(target: FakeTargetClient) -> None:
    celery: Any = pytest.importorskip("celery", reason="Celery is not installed: " + installing("test"))
    integration: Any = pytest.importorskip("target_python_sdk.integrations.celery")
    app = celery.Celery("shop", broker="memory://", set_as_current=False)
    app.conf.task_always_eager = True
    installed = integration.install(lambda: target, app, name="target.fake")

    @app.task(name="decide", shared=False)  # type: ignore[untyped-decorator, unused-ignore]
    def decide() -> Any:
        return installed.client.get_offers(request=HERO).offer("hero").html

    try:
        assert decide.delay().get() == "<b>B</b>"

        hero = target.get_offers(request=HERO).offer("hero")
        installed.send_notifications(request=DeliveryRequest(notifications=[hero.display()]))
        assert target.displayed == ["hero"]
    finally:
        integration.INSTALLATIONS.by_task.pop("target.fake", None)


def test_events_of_an_intercepted_client_are_emitted(target: FakeTargetClient) -> None:
    failed: List[Any] = []
    client = TargetClient.create(
        client="acmeclient",
        organization_id="1234567890@AdobeOrg",
        events={"send_notification_error": lambda event: failed.append(event.error)},
    )
    with target.intercept(client):
        visit = Visit(ENVIRON, VisitSettings(client=client))
        offers = visit.offers("hero", prefetch=True)
        with target.fail_with(ConnectionFailed):
            visit.display(offers["hero"])
    assert [type(error) for error in failed] == [ConnectionFailed]
    assert target.displayed == []
