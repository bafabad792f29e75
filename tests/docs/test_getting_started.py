"""The steps of ``getting-started.md`` work: the programs, and the page in a browser."""

import http.cookiejar
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple

import pytest

from tests.docs.pages import python_blocks

pytestmark = [pytest.mark.server, pytest.mark.slow]

EXPERIENCES = {"<h1>The mountains are calling</h1>", "<h1>High tide at noon</h1>"}
#: Runs a page's script in Node.js: prints the requests that it makes, with a click on the element that it watches.
BROWSER = """
const requests = [];
globalThis.fetch = (url, options) => requests.push({url, ...options});
let click;
globalThis.document = {getElementById: (id) => ({addEventListener: (name, listener) => { click = listener; }})};
(0, eval)(require("fs").readFileSync(0, "utf8"));
click();
console.log(JSON.stringify(requests));
"""


class Browser:
    """An HTTP client with cookies.  Node.js runs the scripts."""

    def __init__(self, address: str) -> None:
        self.cookies = http.cookiejar.CookieJar()
        self._address = address
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def open(self, url: str, method: str = "GET", headers: Any = None, body: str = "", **_: Any) -> Any:
        """Return the response.  The URL may be relative."""
        request = urllib.request.Request(
            urllib.parse.urljoin(self._address, url), body.encode() or None, headers or {}, method=method
        )
        with self._opener.open(request, timeout=10) as response:
            return response.status, response.read().decode()

    def requests_of(self, page: str) -> List[Dict[str, Any]]:
        """Return the requests of the page's script when the page is shown and clicked once."""
        (script,) = re.findall("<script>(.*)</script>", page, re.DOTALL)
        node = ["node", "-e", BROWSER]
        done = subprocess.run(node, input=script, capture_output=True, text=True, check=True, timeout=30)
        requests: List[Dict[str, Any]] = json.loads(done.stdout)
        return requests


class Shop(NamedTuple):
    """The running program of the page."""

    address: str
    reported: str
    """The address of the notifications that the edge has received."""


@pytest.fixture(scope="module")
def programs(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``hello.py`` and ``shop.py``, saved as the page says."""
    folder = tmp_path_factory.mktemp("shop")
    hello, shop, *_ = python_blocks(root / "docs" / "getting-started.md")
    (folder / "hello.py").write_text(hello.parsed, encoding="utf-8")
    (folder / "shop.py").write_text(shop.parsed, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shop(programs: Path, root: Path) -> Iterator[Shop]:
    """``flask --app shop run``, on a free port."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1", "FLASK_RUN_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "shop", "run"],
        cwd=str(programs), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if "Running on" in line:
                break
        address, reported = re.search(r"Running on (\S+)", printed), re.search(r"Reported so far: (\S+)", printed)
        assert address and reported, printed
        yield Shop(address.group(1), reported.group(1))
    finally:
        process.kill()
        process.communicate()


def test_the_first_program_prints_an_offer(programs: Path, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "hello.py"],
        cwd=str(programs), env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() in {"<div>Hello from experience A</div>", "<div>Greetings from experience B</div>"}


def test_the_page_recognizes_the_visitor_and_reports_displays_and_clicks(shop: Shop) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed; it runs the script of the page")
    browser = Browser(shop.address)
    status, page = browser.open("/")
    assert status == 200
    (shown,) = [experience for experience in EXPERIENCES if experience in page]
    assert {cookie.name for cookie in browser.cookies} == {"mbox", "mboxEdgeCluster"}

    _, again = browser.open("/")
    assert shown in again, "the visitor was not recognized"

    requests = browser.requests_of(again)
    assert [browser.open(**request)[0] for request in requests] == [204] * len(requests)
    reported = json.loads(browser.open(shop.reported)[1])["notifications"][-len(requests) :]
    assert [(each["type"], each["mbox"]["name"]) for each in reported] == [("display", "hero"), ("click", "hero")]
    assert all(each["tokens"] and each["timestamp"] > 1.7e12 for each in reported)


def test_different_visitors_get_both_experiences(shop: Shop) -> None:
    pages = [Browser(shop.address).open("/")[1] for _ in range(30)]
    assert {experience for page in pages for experience in EXPERIENCES if experience in page} == EXPERIENCES


@pytest.mark.parametrize("body", ["[]", '"text"', '{"type": "display"'])
def test_a_report_that_cannot_be_sent_is_refused(shop: Shop, body: str) -> None:
    """A browser can send anything."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        Browser(shop.address).open("/report", "POST", {"Content-Type": "application/json"}, body)
    refused.value.close()
    assert refused.value.code == 400
