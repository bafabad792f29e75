"""Django under gunicorn and uvicorn, Flask under gunicorn: two page views of one visitor."""

import html
import http.cookiejar
import json
import re
import urllib.request
from typing import Any, Dict

import pytest

from tests.servers.sample_sites import SAMPLES, running
from tests.support import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]


def reports_of(page: str) -> Dict[str, Any]:
    """Return the tokens of the page's offer, as its script reads them."""
    whole = re.search(r'id="reports" type="application/json">(.*?)</script>', page)
    if whole:
        return dict(json.loads(whole[1]))
    found = re.findall(r"""data-(display|click)='(.*?)'""", page)
    return {kind: json.loads(html.unescape(tokens)) for kind, tokens in found}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_visitor_is_recognized_and_reports_arrive_once(name: str) -> None:
    with running(name) as site:
        cookies = http.cookiejar.CookieJar()
        processors = urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(cookies)
        browser = urllib.request.build_opener(*processors)
        pages = [browser.open(site.address + site.path).read().decode() for _ in range(2)]
        titles = [re.findall(r"<h2>(.*?)</h2>", page)[0] for page in pages]
        reports = [reports_of(page) for page in pages]
        for kind in ("display", "click"):
            body = json.dumps({"type": kind, "tokens": reports[0][kind], "state": ""}).encode()
            posted = urllib.request.Request(site.address + "/notify", body, {"Content-Type": "application/json"})
            assert browser.open(posted).status == 204
        assert eventually(lambda: len(site.edge.notifications) == 2)
        calls = site.edge.requests
    (visitor,) = {call.body["id"]["tntId"] for call in calls if "id" in call.body}
    (session,) = {call.query["sessionId"] for call in calls}
    (mbox,) = [cookie.value or "" for cookie in cookies if cookie.name == "mbox"]
    assert f"PC#{visitor}#" in mbox and f"session#{session}#" in mbox
    assert titles[0] == titles[1]
    assert reports[0] == reports[1]
    assert [each["type"] for each in site.edge.notifications] == ["display", "click"]
