"""The program of ``getting-started.md`` runs, and a browser can use its pages."""

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
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple

import pytest

from tests.docs.pages import python_blocks
from tests.support import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]

EXPERIENCES = {"<h1>The mountains are calling</h1>", "<h1>High tide at noon</h1>"}
#: Runs the script of a page in Node.js, clicks the element of the page, and prints the requests that the script sends.
SCRIPT_RUNNER = """
const sent = [], element = {};
Object.defineProperty(globalThis, "navigator", {value: {sendBeacon: (url, body) => sent.push({url, body})}});
globalThis.document = {getElementById: () => element};
(0, eval)(require("fs").readFileSync(0, "utf8"));
element.onclick();
console.log(JSON.stringify(sent));
"""


class Browser:
    """An HTTP client with cookies. Node.js runs the scripts."""

    def __init__(self, address: str) -> None:
        self.cookies = http.cookiejar.CookieJar()
        self._address = address
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def open(self, url: str, body: Optional[str] = None) -> Tuple[int, str]:
        """Return status and body of the response to a GET, or to a POST of ``body``. The URL may be relative."""
        data = None if body is None else body.encode()
        request = urllib.request.Request(urllib.parse.urljoin(self._address, url), data, {"Content-Type": "text/plain"})
        with self._opener.open(request, timeout=10) as response:
            return response.status, response.read().decode()

    def run_script(self, page: str) -> List[int]:
        """Run the script of a page, click its element once, and send its requests; return the statuses."""
        (script,) = re.findall("<script>(.*)</script>", page, re.DOTALL)
        node = ["node", "-e", SCRIPT_RUNNER]
        done = subprocess.run(node, input=script, capture_output=True, text=True, check=True, timeout=30)
        return [self.open(sent["url"], sent["body"])[0] for sent in json.loads(done.stdout)]


class Shop(NamedTuple):
    """The running program of the page."""

    address: str
    edge: str
    """The address of the program's local edge."""


@pytest.fixture(scope="module")
def folder(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``shop.py``, saved as the page says."""
    saved = tmp_path_factory.mktemp("shop")
    shop, clicks, *_ = python_blocks(root / "docs" / "getting-started.md")
    (saved / "shop.py").write_text(f"{shop.parsed}\n\n{clicks.parsed}", encoding="utf-8")
    return saved


@pytest.fixture(scope="module")
def shop(folder: Path, root: Path) -> Iterator[Shop]:
    """``flask --app shop run``, on a free port."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1", "FLASK_RUN_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "shop", "run"],
        cwd=str(folder), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if "Running on" in line:
                break
        address, edge = re.search(r"Running on (\S+)", printed), re.search(r"Local edge: (\S+)", printed)
        assert address and edge, printed
        yield Shop(address.group(1), edge.group(1))
    finally:
        process.kill()
        process.communicate()


def test_the_page_recognizes_the_visitor(shop: Shop) -> None:
    browser = Browser(shop.address)
    status, page = browser.open("/")
    assert status == 200
    assert page in EXPERIENCES
    assert {cookie.name for cookie in browser.cookies} == {"mbox", "mboxEdgeCluster"}
    assert browser.open("/")[1] == page, "the visitor was not recognized"


def test_different_visitors_get_both_experiences(shop: Shop) -> None:
    assert {Browser(shop.address).open("/")[1] for _ in range(30)} == EXPERIENCES


def test_the_page_reports_clicks(shop: Shop) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed; it runs the script of the page")
    browser = Browser(shop.address)
    _, page = browser.open("/measured")
    assert browser.run_script(page) == [200]

    def reported() -> List[Any]:
        notifications: List[Any] = json.loads(browser.open(f"{shop.edge}/notifications")[1])["notifications"]
        return notifications

    assert eventually(reported), "the program has not sent the click"
    assert [(each["type"], each["mbox"]["name"], len(each["tokens"])) for each in reported()] == [("click", "hero", 1)]


@pytest.mark.parametrize("body", ["[]", "{}", '"text"', '{"tokens": []}', '{"tokens": [1]}', '{"tokens": ["token"'])
def test_an_invalid_report_of_a_click_is_refused(shop: Shop, body: str) -> None:
    """A browser can send anything."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        Browser(shop.address).open("/clicked", body)
    refused.value.close()
    assert refused.value.code == 400
