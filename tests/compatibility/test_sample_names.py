"""An application that was written for 1.1.0 works unchanged; see ``sample_application``."""

import ast
import importlib
import json
import logging
import sys
import threading
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from typing import Any, Dict, Iterator, List, Optional

import pytest

from target_python_sdk.local_edge import LocalEdge
from tests.support import eventually, installing, options_for

pytest.importorskip("flask", reason="Flask is not installed: " + installing("test"))
make_server = importlib.import_module("werkzeug.serving").make_server
sample_application = importlib.import_module("tests.compatibility.sample_application")

pytestmark = pytest.mark.server

METHODS = ("server-side", "on-device", "hybrid")


class Browser:
    """An HTTP client that stores cookies and sends them, like a browser."""

    def __init__(self, address: str) -> None:
        self.jar = CookieJar()
        self._address = address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def open(self, path: str, document: Optional[Dict[str, Any]] = None) -> str:
        """Return the body of a page, or of the answer to posted JSON."""
        body = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "Mozilla/5.0 Firefox/130.0"}
        with self._opener.open(urllib.request.Request(self._address + path, body, headers), timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    def decisions(self, path: str, document: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Return the decisions on a page, parsed from the text that ``to_str`` created."""
        found: Dict[str, Any] = ast.literal_eval(self.open(path, document))
        return found

    @property
    def cookies(self) -> Dict[str, Any]:
        """Return the stored cookies by name."""
        return {cookie.name: cookie for cookie in self.jar}


class Site:
    """The running application, and the edge that it calls."""

    def __init__(self, edge: LocalEdge, application: Any, port: int) -> None:
        self.edge = edge
        self.shop = application.shop
        self._address = f"http://127.0.0.1:{port}"

    def browser(self) -> Browser:
        """Return a browser without cookies: a new visitor."""
        return Browser(self._address)

    @property
    def deliveries(self) -> List[Any]:
        """Return the requests to the edge, except those for the artifact and the location hint."""
        return [request for request in self.edge.requests if request.method == "POST" and len(request.body) > 2]


@pytest.fixture
def method() -> str:
    """The decisioning method, which tests can parametrize."""
    return "server-side"


@pytest.fixture
def site(method: str) -> Iterator[Site]:
    """The application on a free port; it calls a local edge."""
    with LocalEdge() as edge:
        options = options_for(edge, decisioning_method=method, cdn_base_path="http://" + edge.domain)
        application = sample_application.create_application(options)
        server = make_server("127.0.0.1", 0, application, threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Site(edge, application, server.server_port)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            application.shop.client.close()


def first_content(element: Dict[str, Any]) -> Any:
    """Return the content of the first option of an element."""
    return element["options"][0]["content"]


def test_a_page_load_is_decided(site: Site) -> None:
    """The page gets the decision as ``to_str`` formats it, including None.

    The edge receives the page's URL and the User-Agent.
    """
    found = site.browser().decisions("/page-load")

    assert (found["status"], found["prefetch"], found["execute"]["mboxes"]) == (200, None, None)
    (delivery,) = site.deliveries
    context = delivery.body["context"]
    assert context["channel"] == "web"
    assert context["address"]["url"].endswith("/page-load")
    assert context["userAgent"] == "Mozilla/5.0 Firefox/130.0"
    assert (context["screen"], context["window"]["height"]) == ({"width": 1200, "height": 1400}, 1200)
    assert delivery.body["execute"]["pageLoad"]["parameters"] == {"a": "1"}


@pytest.mark.parametrize("method", METHODS)
def test_blocking_calls_and_callbacks_return_the_same_experience(site: Site, method: str) -> None:
    """This holds for each decisioning method (B7)."""
    browser = site.browser()
    first = browser.decisions("/mboxes")
    again = browser.decisions("/mboxes-by-callback")

    assert [mbox["name"] for mbox in first["execute"]["mboxes"]] == ["a1-serverside-ab", "demo-engineering-flags"]
    assert [mbox["index"] for mbox in first["execute"]["mboxes"]] == [1, 2]
    assert first_content(first["execute"]["mboxes"][1])["searchProviderId"] == 143
    assert first_content(again["execute"]["mboxes"][0]) == first_content(first["execute"]["mboxes"][0])
    assert site.shop.results == {}


def test_customer_ids_without_an_experience_cloud_id_are_not_sent(site: Site) -> None:
    """The API refuses a request whose only ids are customer ids."""
    site.browser().open("/mboxes")
    assert "id" not in site.deliveries[0].body


def test_the_cookies_identify_the_visitor_on_the_next_page(site: Site) -> None:
    """The ages of the cookies come from ``maxAge``. The next request contains the session and the device id."""
    browser = site.browser()
    first = browser.decisions("/mboxes-by-callback")
    cookies = browser.cookies
    browser.open("/page-load")

    assert sorted(cookies) == ["mbox", "mboxEdgeCluster"]
    assert 0 < cookies["mboxEdgeCluster"].expires - time.time() <= 1860
    assert 63244000 < cookies["mbox"].expires - time.time() <= 63244800
    one, two = site.deliveries
    assert one.query["sessionId"] == two.query["sessionId"]
    assert "id" not in one.body
    assert two.body["id"]["tntId"] == first["id"]["tnt_id"]


def test_a_callback_receives_views(site: Site) -> None:
    """The callback is a ``functools.partial``. ``wait`` returns after the callback has stored the answer."""
    (view,) = site.browser().decisions("/views")["prefetch"]["views"]
    assert view["name"] == "checkout"
    assert view["options"][0]["type"] == "actions"
    assert site.deliveries[0].body["prefetch"] == {"views": [{}]}
    assert site.shop.results == {}


@pytest.mark.skipif(sys.version_info < (3, 9), reason="asyncio.to_thread requires Python 3.9")
def test_an_async_page_can_run_a_blocking_call_in_a_thread(site: Site) -> None:
    """The page awaits ``asyncio.to_thread``."""
    pytest.importorskip("asgiref", reason="asgiref, for Flask's async views, is not installed: " + installing("test"))
    (mbox,) = site.browser().decisions("/mboxes-in-a-thread")["execute"]["mboxes"]
    assert first_content(mbox).startswith("<div>")


def test_a_callback_receives_attributes(site: Site) -> None:
    """``as_object``, ``get_value`` and ``get_response`` work on the object that the callback receives."""
    flags = json.loads(site.browser().open("/flags"))
    assert flags["all"] == {"cdnHostname": "cdn.cloud.corp.net", "searchProviderId": 143, "hasLegacyAccess": False}
    assert (flags["provider"], flags["status"]) == (143, 200)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/notifications", "/notifications-by-callback"])
def test_notifications_of_a_page_reach_the_edge(site: Site, method: str, path: str) -> None:
    """The browser posts the display and the click of a prefetched offer as JSON."""
    browser = site.browser()
    offers: List[Any] = []
    while not offers:  # some visitors get no experience of this activity
        browser = site.browser()
        (mbox,) = browser.decisions("/prefetch")["prefetch"]["mboxes"]
        offers = [option for option in mbox["options"] or [] if option["event_token"]]
    assert site.edge.notifications == []

    before = time.time() * 1000
    mbox_part = {"mbox": {"name": mbox["name"], "state": mbox["state"]}}
    display = {"id": "shown-1", **mbox_part, "tokens": [offers[0]["event_token"]]}
    click = {"id": "clicked-1", "type": "click", **mbox_part, "tokens": [mbox["metrics"][0]["event_token"]]}
    answer = browser.decisions(path, {"notifications": [display, click]})

    assert [each["id"] for each in answer["notifications"]] == ["shown-1", "clicked-1"]
    assert eventually(lambda: len(site.edge.notifications) == 2)
    assert (len(site.edge.displays), len(site.edge.clicks)) == (1, 1)
    display, click = site.edge.notifications
    assert (display["id"], display["type"], click["id"], click["type"]) == ("shown-1", "display", "clicked-1", "click")
    assert display["tokens"] == [offers[0]["event_token"]]
    assert display["mbox"]["name"] == "product-recommendations"
    # Milliseconds, and not rounded up to the next second (B56).
    assert before - 1 <= display["timestamp"] <= time.time() * 1000 + 1


def test_a_view_notification_has_name_key_and_state(site: Site) -> None:
    browser = site.browser()
    (view,) = browser.decisions("/views")["prefetch"]["views"]
    view_part = {"name": view["name"], "key": view["key"], "state": view["state"]}
    tokens = [view["options"][0]["event_token"]]
    browser.open("/notifications", {"notifications": [{"id": "seen-1", "view": view_part, "tokens": tokens}]})

    (notification,) = site.edge.notifications
    assert notification["view"] == {name: value for name, value in view_part.items() if value is not None}


def test_concurrent_browsers_get_their_own_answers(site: Site) -> None:
    """No page gets the answer to another page's call (B4, B6)."""
    browsers = [site.browser() for _ in range(12)]
    found: Dict[int, Any] = {}

    def visit(number: int) -> None:
        found[number] = [browsers[number].decisions("/mboxes-by-callback")["id"]["tnt_id"] for _ in range(4)]

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(len(browsers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == len(browsers)
    assert all(len(set(ids)) == 1 for ids in found.values())
    assert len({ids[0] for ids in found.values()}) == len(browsers)
    assert site.shop.results == {}


def test_an_invalid_request_has_the_error_text_of_1_1_0(site: Site) -> None:
    """The application answers with ``str(error)``."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        site.browser().open("/mistake")
    with raised.value as answer:
        assert answer.code == 400
        assert answer.read().decode() == "Either pageLoad or mboxes is required in execute"
    assert site.deliveries == []


def test_calls_fail_while_the_edge_is_stopped(site: Site) -> None:
    """``err_callback`` receives the error, and ``wait`` returns. After the edge has started again, calls succeed."""
    site.edge.stop()
    with pytest.raises(urllib.error.HTTPError) as raised:
        site.browser().open("/mboxes-by-callback")
    with raised.value as answer:
        assert answer.code == 502
        assert "127.0.0.1" in answer.read().decode()
    site.edge.start()

    assert site.browser().decisions("/mboxes-by-callback")["status"] == 200


def test_the_option_that_1_1_0_never_read_is_logged_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """``location_hint_cookie`` is logged in the first call that passes a value (D18)."""
    browser = site.browser()
    for _ in range(3):
        browser.open("/page-load")
    (line,) = [line for line in caplog.records if line.levelno == logging.WARNING]
    assert "'location_hint_cookie'" in line.getMessage()
    assert "'target_location_hint'" in line.getMessage()


def test_a_subscriber_with_one_parameter_receives_the_event(site: Site) -> None:
    """The application subscribes to ``client_ready`` as 1.1.0's documentation shows."""
    assert eventually(lambda: len(site.shop.events) == 1)
    assert site.shop.events[0]["type"] == "client_ready"
