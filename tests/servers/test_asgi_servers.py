"""The ASGI middleware under uvicorn and hypercorn."""

import http.cookiejar
import sys
import urllib.request

import pytest

from target_python_sdk.local_edge import LocalEdge
from tests.integrations.browsing import ACTIVITIES, HERO
from tests.servers.processes import ROOT, Process, free_port, listens
from tests.servers.serving import SERVERS
from tests.support import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]

APPLICATION = "tests.servers.served_asgi:application"
#: The arguments of Python with which each server serves the application.
COMMANDS = {
    "uvicorn": lambda port: ["-m", "uvicorn", APPLICATION, "--port", str(port)],
    "hypercorn": lambda port: ["-m", "hypercorn", APPLICATION, "--bind", f"127.0.0.1:{port}"],
}


class Site:
    """A server with the application, and a browser that keeps cookies."""

    def __init__(self, edge, process, port):
        self.edge, self.process = edge, process
        self.address = f"127.0.0.1:{port}"
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def get(self, path="/"):
        """Return the headers and the text of a page."""
        with self._opener.open(f"http://{self.address}{path}", timeout=60) as answer:
            return answer.headers, answer.read().decode()


@pytest.fixture(scope="module", params=COMMANDS)
def site(request):
    pytest.importorskip(request.param, reason=f"{request.param} is not installed: {SERVERS}")
    port = free_port()
    argv = [sys.executable, *COMMANDS[request.param](port)]
    with LocalEdge(ACTIVITIES) as edge, Process(argv, cwd=ROOT, EDGE=edge.domain) as process:
        process.until(lambda: listens(port), what="the server listens")
        yield Site(edge, process, port)


def test_a_visitor_keeps_session_and_experience(site):
    """Cookies are set and sent back. A display and a click arrive once."""
    first_headers, first = site.get()
    headers, second = site.get("/streamed")
    site.get("/clicked")
    assert (first, second) == (HERO, HERO)
    assert sorted(cookie.name for cookie in site.cookies) == ["mbox", "mboxEdgeCluster"]
    assert len(first_headers.get_all("set-cookie")) == len(headers.get_all("set-cookie")) == 2
    assert headers["cache-control"] == "private"
    assert eventually(lambda: site.edge.clicks and site.edge.displays)
    assert (len(site.edge.displays), len(site.edge.clicks)) == (1, 1)
    assert site.edge.displays[0][1:] == site.edge.clicks[0][1:]
    assert len({request.query["sessionId"] for request in site.edge.requests}) == 1
    visitors = {request.body.get("id", {}).get("tntId") for request in site.edge.requests}
    assert len(visitors - {None}) == 1


def test_a_websocket_passes_through(site):
    client = pytest.importorskip("websockets.sync.client", reason=f"websockets is not installed: {SERVERS}")
    with client.connect(f"ws://{site.address}/echo", proxy=None) as connected:
        connected.send("hello")
        assert connected.recv(timeout=60) == "hello"


def test_a_stop_ends_the_lifespan_and_sends_the_queued_notifications(site):
    """The last test of the module: it stops the server while two workers send forty notifications."""
    token = "ZGlzcGxheToxOjA6aGVybw=="
    before = len(site.edge.notifications)
    with site.edge.slow(20):
        site.get(f"/report?count=40&token={token}")
        site.process.stop()
    assert "the lifespan ends" in site.process.log
    assert "Traceback" not in site.process.log
    assert len(site.edge.notifications) - before == 40
