"""A visitor with Chromium on the FastAPI sample, which uvicorn serves: two page views and a click."""

import sys

import pytest

from target_python_sdk.local_edge import LocalEdge
from tests.around.chromium import WatchedPage, chromium
from tests.servers.processes import ROOT, Process, free_port, listens
from tests.servers.serving import SERVERS
from tests.support import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]

#: The packages of each sample, and the command that serves it.
SAMPLES = {
    "fastapi": (
        ("fastapi", "jinja2", "uvicorn"),
        lambda port: ["-m", "uvicorn", "samples.fastapi.app:app", "--port", str(port)],
    ),
}


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.mark.parametrize("name", SAMPLES)
def test_a_visitor_views_two_pages_and_clicks(name, browser):
    """Visitor, session and experience stay the same. Each display and click arrives once, and no script fails."""
    packages, command = SAMPLES[name]
    for package in packages:
        pytest.importorskip(package, reason=f"{package} is not installed: {SERVERS}")
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with LocalEdge(str(ROOT / "samples" / name / "activities.json")) as edge:
        argv = [sys.executable, *command(port)]
        with Process(argv, cwd=ROOT, TARGET_SERVER_DOMAIN=edge.domain) as server:
            server.until(lambda: listens(port), what="the server listens")
            watched_page = WatchedPage(browser, origin, 1280)
            page = watched_page.page
            page.goto(origin)
            greeting, first = page.inner_text("#greeting"), cookies_of(watched_page)
            page.goto(origin)
            second = cookies_of(watched_page)
            state = page.evaluate("window.targetGlobalSettings.serverState")
            assert page.inner_text("#greeting") == greeting
            page.click("#products a")
            assert eventually(lambda: edge.clicks)
            watched_page.context.close()
            server.stop()

    (content,) = [option["content"] for option in state["response"]["execute"]["pageLoad"]["options"]]
    assert "</script>" in content
    assert sorted(first) == sorted(second) == ["mbox", "mboxEdgeCluster"]
    assert len({request.query["sessionId"] for request in edge.requests}) == 1
    assert device_of(first) == device_of(second)
    assert {request.body["id"]["tntId"] for request in edge.requests[1:]} == {device_of(first)}
    displays = [event for event in edge.displays if event.location == "products"]
    assert len(displays) == 2 and displays[0] == displays[1]
    assert [event[1:] for event in edge.clicks] == [displays[0][1:]]
    assert watched_page.problems == []


def cookies_of(watched_page):
    """Return the browser's cookies by name."""
    return {cookie["name"]: cookie["value"] for cookie in watched_page.context.cookies()}


def device_of(cookies):
    """Return the id of the visitor in the cookie ``mbox``."""
    (device,) = [part.split("#")[1] for part in cookies["mbox"].split("|") if part.startswith("PC#")]
    return device
