"""Mutated cookies and headers through the Flask and Django integrations: no error, no foreign host, bounded size."""

import json
import random
import re
from typing import Any, Callable, Dict, List, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from target_python_sdk import TargetClient
from tests.support import ANSWER_BYTES, LONG, installing

#: Cookies and headers before the mutation. ``Host`` is not among them, because the frameworks check it.
COOKIES = (
    "mbox=session#0001#9999999999|PC#abc.35_0#9999999999; mboxEdgeCluster=35",
    "AMCV_1234567890%40AdobeOrg=MCMID|77094828402023918047117570965393734545|MCAAMLH-1635|9|MCAAMB-1635|j8Odv6LonN4r3an7",
    "at_qa_mode=%7B%22token%22%3A%22a%22%2C%22listedActivitiesOnly%22%3Atrue%2C%22previewIndexes%22%3A%5B%5D%7D",
)
HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0 Safari/537.36",
    "Referer": "https://search.example/?q=boots",
    "Accept-Language": "de-CH,de;q=0.9",
    "Sec-CH-UA": '"Chromium";v="120", "Not A(Brand";v="99"',
    "Sec-CH-UA-Mobile": "?0",
    "X-Forwarded-For": "203.0.113.7, 10.0.0.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.example",
}
#: The hosts that a client without ``server_domain`` may call.
ALLOWED = re.compile(
    r"https://(?:acmeclient|mboxedge[0-9A-Za-z-]{1,20})\.tt\.omtrdc\.net/rest/v1/delivery\?[!-~]{1,2000}"
)
#: The maximum size of the body of Target's request, in bytes.
LARGEST = 100000

INSERTED = (
    "|",
    "#",
    "=",
    ";",
    "%",
    "%00",
    '"',
    "{",
    ".",
    "evil.example/",
    "\xe9",
    "\xff\xfe",
    "9" * 5000,
    "\t",
    ",",
    "",
)


def mutated(chance: random.Random, text: str) -> str:
    """Return the text with up to three random insertions or replacements."""
    for _ in range(chance.randrange(4)):
        start = chance.randrange(len(text) + 1)
        inserted = chance.choice([*INSERTED, "".join(chr(chance.randrange(32, 256)) for _ in range(8))])
        text = text[:start] + inserted + text[start + chance.choice([0, 1, 5, 40]) :]
    return text


def mutated_headers(seed: int) -> Dict[str, str]:
    """Return mutated cookies, and some mutated headers."""
    chance = random.Random(seed)
    cookies = "; ".join(mutated(chance, cookie) for cookie in COOKIES)
    names = chance.sample(list(HEADERS), chance.randrange(len(HEADERS) + 1))
    return {"Cookie": cookies, **{name: mutated(chance, HEADERS[name]) for name in names}}


class RecordingManager:
    """A pool manager that records the requests and always returns the same answer."""

    def __init__(self) -> None:
        self.calls: List[Tuple[str, bytes]] = []

    def request(self, method: str, url: str, body: bytes = b"", **options: Any) -> HTTPResponse:
        self.calls.append((url, body))
        return HTTPResponse(body=ANSWER_BYTES, status=200, headers={"Content-Type": "application/json"})


def flask_application(client: TargetClient) -> Callable[[Dict[str, str]], Any]:
    """Return a function that sends headers to a Flask application, and returns the body of the response."""
    flask: Any = pytest.importorskip("flask", reason="flask is not installed: " + installing("test"))
    from target_python_sdk.integrations.flask import Target, current_visit  # noqa: PLC0415 - only if Flask is installed

    app = flask.Flask("shop")
    app.testing = True
    Target(app, client=client, trusted_proxies=1)
    app.add_url_rule("/", view_func=lambda: current_visit.offers("home")["home"].html)
    browser = app.test_client(use_cookies=False)
    return lambda headers: browser.open("/", environ_overrides=variables(headers)).data


def django_application(client: TargetClient) -> Callable[[Dict[str, str]], Any]:
    """Return a function that sends headers to a Django view, and returns the body of the response."""
    pytest.importorskip("django", reason="django is not installed: " + installing("test"))
    from tests.integrations import django_site  # noqa: PLC0415 - only if Django is installed

    django_site.configure()
    from django.http import HttpResponse  # noqa: PLC0415
    from django.test import RequestFactory, override_settings  # noqa: PLC0415

    from target_python_sdk.integrations.django import TargetMiddleware  # noqa: PLC0415

    with override_settings(TARGET={"client": client, "trusted_proxies": 1}):
        view = TargetMiddleware(lambda request: HttpResponse(request.target.offers("home")["home"].html))
    return lambda headers: view(RequestFactory().get("/", **variables(headers))).content


def variables(headers: Dict[str, str]) -> Dict[str, str]:
    """Return the environ variables of these headers."""
    return {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}


@pytest.mark.slow
@pytest.mark.parametrize("application", [flask_application, django_application])
@pytest.mark.parametrize("count", [120, pytest.param(10_000, marks=pytest.mark.fuzz)])
def test_mutated_requests_are_answered_and_call_no_foreign_host(
    application: Callable[[TargetClient], Any], count: int
) -> None:
    manager = RecordingManager()
    options: Dict[str, Any] = {"pool_manager": manager, "telemetry_enabled": False, "timeout": LONG}
    with TargetClient.create(client="acmeclient", organization_id="1234567890@AdobeOrg", **options) as client:
        send = application(client)

        @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(st.integers(0, 2**32))
        def check(seed: int) -> None:
            manager.calls.clear()
            assert send(mutated_headers(seed)) == b"<b>A</b>"
            ((url, body),) = manager.calls
            assert ALLOWED.fullmatch(url), url
            assert len(body) < LARGEST
            json.loads(body)

        check()
