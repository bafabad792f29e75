"""The steps of ``getting-started.md`` after the installation work: the program, and its page in a browser."""

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
from typing import Iterator, List, NamedTuple, Optional, Tuple

import pytest

from tests.docs.pages import python_blocks

pytestmark = [pytest.mark.server, pytest.mark.slow]

EXPERIENCES = {"<h1>The mountains are calling</h1>", "<h1>High tide at noon</h1>"}
#: Runs a page's script in Node.js with a click on its element, and prints what it sends.
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
        """Run the script of a page that is shown and clicked once; return the statuses of its requests."""
        (script,) = re.findall("<script>(.*)</script>", page, re.DOTALL)
        node = ["node", "-e", SCRIPT_RUNNER]
        done = subprocess.run(node, input=script, capture_output=True, text=True, check=True, timeout=30)
        return [self.open(sent["url"], sent["body"])[0] for sent in json.loads(done.stdout)]


class Shop(NamedTuple):
    """The running program of the page."""

    address: str
    reported: str
    """The address of the notifications that the edge has received."""


@pytest.fixture(scope="module")
def folder(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``shop.py``, saved as the page says."""
    saved = tmp_path_factory.mktemp("shop")
    shop, *_ = python_blocks(root / "docs" / "getting-started.md")
    (saved / "shop.py").write_text(shop.parsed, encoding="utf-8")
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
        address, reported = re.search(r"Running on (\S+)", printed), re.search(r"Reported so far: (\S+)", printed)
        assert address and reported, printed
        yield Shop(address.group(1), reported.group(1))
    finally:
        process.kill()
        process.communicate()


def test_the_page_recognizes_the_visitor_and_reports_displays_and_clicks(shop: Shop) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed; it runs the script of the page")
    browser = Browser(shop.address)
    status, page = browser.open("/")
    assert status == 200
    (experience_on_page,) = [experience for experience in EXPERIENCES if experience in page]
    assert {cookie.name for cookie in browser.cookies} == {"mbox", "mboxEdgeCluster"}

    _, second_page = browser.open("/")
    assert experience_on_page in second_page, "the visitor was not recognized"

    assert browser.run_script(second_page) == [204, 204]
    reported = json.loads(browser.open(shop.reported)[1])["notifications"]
    assert [(each["type"], each["mbox"]["name"]) for each in reported] == [("display", "hero"), ("click", "hero")]
    assert all(each["tokens"] and each["timestamp"] > 1.7e12 for each in reported)


def test_different_visitors_get_both_experiences(shop: Shop) -> None:
    pages = [Browser(shop.address).open("/")[1] for _ in range(30)]
    assert {experience for page in pages for experience in EXPERIENCES if experience in page} == EXPERIENCES


@pytest.mark.parametrize("body", ["[]", "{}", '"text"', '{"type": "display"', '{"type": "no such type"}'])
def test_a_report_that_cannot_be_sent_is_refused(shop: Shop, body: str) -> None:
    """A browser can send anything."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        Browser(shop.address).open("/report", body)
    refused.value.close()
    assert refused.value.code == 400
