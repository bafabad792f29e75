"""Django under gunicorn and uvicorn, Flask under gunicorn: two page views of one visitor, also in Chromium."""

import contextlib
import html
import http.cookiejar
import json
import re
import urllib.request
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


@pytest.fixture(scope="module", params=SAMPLES)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with running(request.param) as site:
        yield site


def reports_of(page: str) -> Dict[str, Any]:
    """Return the display tokens and the click tokens of the page's offer, as the script of the page reads them."""
    whole = re.search(r'id="reports" type="application/json">(.*?)</script>', page)
    if whole:
        return dict(json.loads(whole[1]))
    found = re.findall(r"""data-(display|click)='(.*?)'""", page)
    return {kind: json.loads(html.unescape(tokens)) for kind, tokens in found}


def test_a_visitor_is_recognized_and_reports_arrive_once(site: Site) -> None:
    """The test runs no scripts; it posts the notifications that the script of the page would post."""
    requests, notifications = len(site.edge.requests), len(site.edge.notifications)
    cookies = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(cookies))
    pages = [browser.open(site.address + site.path).read().decode() for _ in range(2)]
    titles = [re.findall(r"<h2>(.*?)</h2>", page)[0] for page in pages]
    reports = [reports_of(page) for page in pages]
    for kind in ("display", "click"):
        body = json.dumps({"type": kind, "tokens": reports[0][kind], "state": ""}).encode()
        posted = urllib.request.Request(site.address + "/notify", body, {"Content-Type": "application/json"})
        assert browser.open(posted).status == 204
    assert eventually(lambda: len(site.edge.notifications) == notifications + 2)
    calls = site.edge.requests[requests:]
    (visitor,) = {call.body["id"]["tntId"] for call in calls if "id" in call.body}
    (session,) = {call.query["sessionId"] for call in calls}
    (mbox,) = [cookie.value or "" for cookie in cookies if cookie.name == "mbox"]
    assert f"PC#{visitor}#" in mbox and f"session#{session}#" in mbox
    assert titles[0] == titles[1]
    assert reports[0] == reports[1]
    assert {each["type"] for each in site.edge.notifications[notifications:]} == {"display", "click"}


class View(NamedTuple):
    """The title of the offer, the browser's cookies, the state for at.js, and the ids in the requests to the edge."""

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
    notifications, clicks = len(site.edge.notifications), len(site.edge.clicks)
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
    kinds = [notification["type"] for notification in site.edge.notifications[notifications:]]
    assert kinds == ["display", "click"] * 2
    assert [event.location for event in site.edge.clicks[clicks:]] == ["products"] * 2
    assert watched_page.problems == []
