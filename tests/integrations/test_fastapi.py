"""The FastAPI integration: the visit as a dependency of async and of blocking views."""

import threading
from typing import Any, Callable

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient

from target_python_sdk import TargetClient, Visit
from target_python_sdk.errors import OptionError
from target_python_sdk.integrations.fastapi import CurrentVisit, TargetMiddleware, visit
from target_python_sdk.local_edge import LocalEdge
from tests.integrations.browsing import HERO

pytestmark = pytest.mark.server


async def awaiting(visit: CurrentVisit) -> str:
    return (await visit.offers_async("hero"))["hero"].html or "default"


async def with_a_default_value(visit: Visit = Depends(visit)) -> str:  # noqa: B008 - as FastAPI documents it
    return (await visit.offers_async("hero"))["hero"].html or "default"


def blocking(visit: CurrentVisit) -> str:
    """FastAPI calls a view that is not ``async`` in another thread."""
    assert threading.current_thread().name.startswith("AnyIO worker thread")
    return visit.offers("hero")["hero"].html or "default"


def application_of(*views: Callable[..., Any], **options: Any) -> FastAPI:
    application = FastAPI()
    for view in views:
        application.get(f"/{view.__name__}", response_class=HTMLResponse)(view)
    if options:
        application.add_middleware(TargetMiddleware, **options)
    return application


VIEWS = [awaiting, with_a_default_value, blocking]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_gets_the_visit(view: Callable[..., Any], client: TargetClient, edge: LocalEdge) -> None:
    """The response sets the cookies of the view's call, even if the view runs in another thread."""
    before = len(edge.requests)
    browser = TestClient(application_of(view, client=client))
    first, second = (browser.get(f"/{view.__name__}") for _ in range(2))
    assert (first.text, second.text) == (HERO, HERO)
    assert len(first.headers.get_list("set-cookie")) == 2
    assert first.headers["cache-control"] == "private"
    one, two = edge.requests[before:]
    assert one.query["sessionId"] == two.query["sessionId"]
    assert two.body["id"]["tntId"] in first.headers["set-cookie"]


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_is_served_even_if_the_edge_is_down(view: Callable[..., Any]) -> None:
    with TargetClient.create(
        client="acmeclient", organization_id="1@AdobeOrg", server_domain="127.0.0.1:9", secure=False, retries=1
    ) as unreachable:
        response = TestClient(application_of(view, client=unreachable)).get(f"/{view.__name__}")
    assert (response.status_code, response.text) == (200, "default")


def test_the_view_and_its_dependencies_share_the_visit(client: TargetClient) -> None:
    """A dependency can change the visit. The visit adds no parameter to the OpenAPI document."""

    async def refuse(visit: CurrentVisit) -> None:
        visit.consent = False

    async def home(visit: CurrentVisit) -> str:
        return f"{visit.consent} {(await visit.offers_async('hero')).error}"

    application = application_of(client=client)
    application.get("/", response_class=HTMLResponse, dependencies=[Depends(refuse)])(home)
    browser = TestClient(application)
    response = browser.get("/")
    assert response.text.startswith("False")
    assert "set-cookie" not in response.headers
    assert "parameters" not in browser.get("/openapi.json").json()["paths"]["/"]["get"]


def test_a_background_task_reports_a_display(client: TargetClient, edge: LocalEdge) -> None:
    before = len(edge.displays)

    async def home(visit: CurrentVisit, tasks: BackgroundTasks) -> str:
        offers = await visit.offers_async("hero", prefetch=True)
        tasks.add_task(visit.display, offers["hero"])
        return offers["hero"].html or "default"

    application = application_of(home, client=client)
    assert TestClient(application).get("/home").text == HERO
    assert client.flush()
    assert [event.location for event in edge.displays[before:]] == ["hero"]


def test_a_test_can_override_the_dependency(client: TargetClient) -> None:
    """FastAPI's ``dependency_overrides`` work without the middleware."""
    application = application_of(awaiting)
    application.dependency_overrides[visit] = lambda: Visit({})
    with pytest.raises(OptionError, match="this visit has no client"):
        TestClient(application).get("/awaiting")


@pytest.mark.parametrize("view", VIEWS)
def test_without_the_middleware_the_error_says_to_add_it(view: Callable[..., Any]) -> None:
    with pytest.raises(OptionError, match="this request has no visit; add TargetMiddleware"):
        TestClient(application_of(view)).get(f"/{view.__name__}")


def test_a_websocket_has_no_visit(client: TargetClient) -> None:
    application = application_of(client=client)

    @application.websocket("/socket")
    async def socket(websocket: WebSocket, visit: CurrentVisit) -> None:
        raise AssertionError("not reached")

    with pytest.raises(OptionError, match="a WebSocket has no visit"):
        with TestClient(application).websocket_connect("/socket"):
            pass
