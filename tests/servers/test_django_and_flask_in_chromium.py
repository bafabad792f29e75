"""Chromium visits each web sample twice, under the server that its documentation names."""

import contextlib
import json
from typing import Any, Dict, Iterator, List, NamedTuple

import pytest

from tests.around.chromium import WatchedPage, chromium
from tests.servers.sample_sites import SAMPLES, Site, running
from tests.support import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(params=SAMPLES)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with running(request.param) as site:
        yield site


class View(NamedTuple):
    """What the visitor sees, and what the edge learned."""

    title: str
    cookies: Dict[str, str]
    state: Any
    visitors: List[str]
    sessions: List[str]


def visit_page(watched_page: WatchedPage, site: Site) -> View:
    """Open the page, show the offer and click it once; wait until the edge has both notifications."""
    requests, displays, clicks = len(site.edge.requests), len(site.edge.displays), len(site.edge.clicks)
    page = watched_page.page
    page.goto(site.address + site.path)
    page.get_by_role("button", name="Show it").click()
    assert eventually(lambda: len(site.edge.displays) > displays)
    page.locator("#offer a").first.click()
    assert eventually(lambda: len(site.edge.clicks) > clicks)
    calls = site.edge.requests[requests:]
    cookies = {cookie["name"]: cookie["value"] for cookie in watched_page.context.cookies()}
    state = json.loads(page.evaluate("JSON.stringify(window.targetGlobalSettings.serverState)"))
    title = page.locator("#offer h2").inner_text()
    visitors = [call.body["id"]["tntId"] for call in calls if "id" in call.body]
    return View(title, cookies, state, visitors, [call.query["sessionId"] for call in calls])


def test_a_visitor_keeps_cookies_session_and_experience(browser: Any, site: Site) -> None:
    """The state for at.js contains an offer with ``</script>``. Displays and clicks arrive once."""
    watched_page = WatchedPage(browser, site.address, 1280)
    with contextlib.closing(watched_page.context):
        first, second = visit_page(watched_page, site), visit_page(watched_page, site)
    (visitor,) = set(first.visitors + second.visitors)
    (session,) = set(first.sessions + second.sessions)
    for view in (first, second):
        assert f"PC#{visitor}#" in view.cookies["mbox"]
        assert f"session#{session}#" in view.cookies["mbox"]
        assert "</script>" in json.dumps(view.state["response"])
    assert first.title == second.title
    kinds = [notification["type"] for notification in site.edge.notifications]
    assert kinds == ["display", "click"] * 2
    assert [event.location for event in site.edge.clicks] == ["products"] * 2
    assert watched_page.problems == []
