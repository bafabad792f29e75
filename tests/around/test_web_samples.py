"""The Flask and WSGI samples, run without arguments: pages, displays and clicks."""

import contextlib
import html
import http.cookiejar
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

from target_python_sdk.local_edge import LocalEdge
from tests.support import eventually, installing

pytestmark = pytest.mark.server

#: The path of the page with a prefetched offer, by sample.
PAGES = {"flask": "/prefetch", "wsgi": "/"}


class Browser:
    """A visitor of a sample, who keeps cookies."""

    def __init__(self, address: str) -> None:
        self._address = address
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def open(self, path: str, body: bytes = b"", content_type: str = "application/json") -> str:
        """Get a page, or post ``body`` if it is not empty. Return the answer."""
        headers = {"Content-Type": content_type} if body else {}
        request = urllib.request.Request(self._address + path, body or None, headers)
        with self._opener.open(request, timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    def notify(self, name: str, kind: str, tokens: str, state: str) -> None:
        """Post a display or a click as the script of the sample does."""
        if name == "flask":
            self.open("/notify", json.dumps({"type": kind, "tokens": json.loads(tokens), "state": state}).encode())
        else:
            form = urllib.parse.urlencode({"type": kind, "tokens": tokens, "state": state})
            self.open("/notify", form.encode(), "application/x-www-form-urlencoded")


@contextlib.contextmanager
def run_sample(root: Path, name: str, edge: str = "") -> Iterator[str]:
    """Run a sample and yield its address. The sample uses the local edge at ``edge``, or starts its own."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PORT": "0", "TARGET_SERVER_DOMAIN": edge}
    command = [sys.executable, "-u", str(root / "samples" / name / "app.py")]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            lines: List[str] = []
            # The local edge also logs its address.
            while not lines or "http://127.0.0.1:" not in lines[-1] or "local_edge" in lines[-1]:
                lines.append(process.stdout.readline())
                assert lines[-1], "".join(lines)
            yield "http://127.0.0.1:" + re.findall(r"http://127\.0\.0\.1:(\d+)", lines[-1])[0]
        finally:
            process.kill()


@pytest.fixture(params=PAGES)
def name(request: pytest.FixtureRequest) -> str:
    """The name of a sample."""
    found: str = request.param
    if found == "flask":
        for package in ("flask", "asgiref"):
            pytest.importorskip(package, reason=f"{package} is not installed: " + installing("test"))
    return found


def reports(page: str) -> Dict[str, str]:
    """Return the display tokens, the click tokens and the state in the ``data-`` attributes of a page."""
    found = re.findall(r"""data-(display|click|state)=(["'])(.*?)\2""", page)
    return {attribute: html.unescape(value) for attribute, _, value in found}


def test_displays_and_clicks_in_the_browser_reach_the_edge(root: Path, name: str) -> None:
    activities = root / "samples" / "flask" / "activities.json" if name == "flask" else None
    with LocalEdge(activities) as edge, run_sample(root, name, edge.domain) as address:
        found: Dict[str, str] = {}
        while not found:  # some visitors get no offer
            browser = Browser(address)
            found = reports(browser.open(PAGES[name]))
        before = edge.displays
        browser.notify(name, "display", found["display"], found["state"])
        assert eventually(lambda: len(edge.displays) > len(before))
        assert edge.clicks == []
        browser.notify(name, "click", found["click"], found["state"])
        assert eventually(lambda: edge.clicks)

        for kind, tokens in (("hover", found["click"]), ("click", "[]" if name == "flask" else "")):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                browser.notify(name, kind, tokens, found["state"])
        visitors = {request.body["id"]["tntId"] for request in edge.requests if request.body.get("notifications")}
    (display,) = edge.displays[len(before) :]
    assert [event[1:] for event in edge.clicks] == [display[1:]]
    assert [each["type"] for each in edge.notifications] == ["display", "click"]
    assert len(visitors) == 1


def test_a_sample_that_starts_its_own_edge_shows_the_same_offer_on_all_pages(root: Path, name: str) -> None:
    with run_sample(root, name) as address:
        pages = ("/", "/callbacks", "/await", "/prefetch") if name == "flask" else ("/",)
        browser = Browser(address)
        page_texts = [browser.open(page) for page in pages]
    greetings = {
        re.findall(r'id="greeting">(.*?)</section>', page)[0] for page in page_texts if 'id="greeting"' in page
    }
    (greeting,) = greetings
    assert "<em>" in greeting or "from experience" in greeting
    assert all("server-side" in page for page in page_texts)
