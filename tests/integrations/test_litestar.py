"""The Litestar integration: a plugin that adds the middleware and the dependency ``visit``."""

from typing import Any, Dict

import pytest

from tests.support import client_of, installing

pytest.importorskip("litestar", reason="litestar is not installed: " + installing("test"))

from litestar import Litestar, get, websocket
from litestar.connection import WebSocket
from litestar.exceptions import NotFoundException
from litestar.testing import TestClient

from target_python_sdk import TargetClient
from target_python_sdk.errors import OptionError
from target_python_sdk.integrations.litestar import CurrentVisit, TargetPlugin
from target_python_sdk.local_edge import LocalEdge
from tests.integrations.browsing import HERO

pytestmark = pytest.mark.server


@get("/")
async def home(visit: CurrentVisit) -> str:
    return (await visit.offers_async("hero"))["hero"].html or "default"


@get("/blocking", sync_to_thread=True)
def blocking(visit: CurrentVisit) -> str:
    return visit.offers("hero")["hero"].html or "default"


@get("/missing")
async def missing(visit: CurrentVisit) -> Dict[str, str]:
    await visit.offers_async("hero")
    raise NotFoundException


@get("/other")
async def other() -> str:
    return "other"


@websocket("/socket")
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


def application_of(client: TargetClient) -> Litestar:
    # By default, Litestar adds a handler to the root logger. This handler would print the records of all later tests.
    handlers = [home, blocking, missing, other, echo]
    return Litestar(handlers, plugins=[TargetPlugin(client=client)], logging_config=None)


@pytest.mark.parametrize("path", ["/", "/blocking"])
def test_a_returning_visitor_is_recognized(path: str, edge: LocalEdge) -> None:
    before = len(edge.requests)
    with client_of(edge) as client, TestClient(application_of(client)) as browser:
        first, second = browser.get(path), browser.get(path)
        assert (first.text, second.text) == (HERO, HERO)
    assert len(first.headers.get_list("set-cookie")) == 2
    assert first.headers["cache-control"] == "private"
    one, two = edge.requests[before:]
    assert one.query["sessionId"] == two.query["sessionId"]
    assert two.body["id"]["tntId"] in first.headers["set-cookie"]


def test_an_error_page_sets_the_cookies(edge: LocalEdge) -> None:
    with client_of(edge) as client, TestClient(application_of(client)) as browser:
        response = browser.get("/missing")
    assert response.status_code == 404
    assert len(response.headers.get_list("set-cookie")) == 2


def test_other_handlers_and_websockets_are_unchanged(edge: LocalEdge) -> None:
    with client_of(edge) as client, TestClient(application_of(client)) as browser:
        response = browser.get("/other")
        with browser.websocket_connect("/socket") as connected:
            connected.send_text("hello")
            assert connected.receive_text() == "hello"
    assert response.text == "other"
    assert not {"set-cookie", "cache-control"} & set(response.headers)


def test_the_page_is_served_even_if_the_edge_is_down() -> None:
    with TargetClient.create(
        client="acmeclient", organization_id="1@AdobeOrg", server_domain="127.0.0.1:9", secure=False, retries=1
    ) as unreachable, TestClient(application_of(unreachable)) as browser:
        response = browser.get("/")
    assert (response.status_code, response.text) == (200, "default")


def test_an_invalid_option_raises_at_once() -> None:
    with pytest.raises(OptionError, match="did you mean 'trusted_proxies'"):
        TargetPlugin(trusted_proxy=1)  # type: ignore[call-arg]
