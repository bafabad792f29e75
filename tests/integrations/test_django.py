"""The Django integration, under Django's test clients and request factories."""

import asyncio
import json
import re
from typing import Any, Callable, Dict, Iterator, List

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.local_edge import LocalEdge
from tests.integrations.browsing import DEFAULT, HERO, calls_since
from tests.support import installing

pytest.importorskip("django", reason="django is not installed: " + installing("test"))

from tests.integrations import django_site

django_site.configure()

from django.core.checks import run_checks  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.template import engines  # noqa: E402
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings  # noqa: E402

from target_python_sdk.integrations.django import CookieOptions, InvalidSetting, TargetMiddleware, Visit  # noqa: E402

pytestmark = pytest.mark.server

Get = Callable[..., Any]


def text_of(response: Any) -> str:
    """Return the content of a response, streamed or not."""
    if not response.streaming:
        return str(response.content.decode())
    return b"".join(response.streaming_content).decode()


@pytest.fixture(params=["sync", "async"])
def get(request: pytest.FixtureRequest) -> Get:
    """Return the method ``get`` of Django's sync or async test client. The client keeps its cookies."""
    if request.param == "sync":
        found: Get = Client(raise_request_exception=False).get
        return found
    browser = AsyncClient(raise_request_exception=False)
    return lambda *arguments, **headers: asyncio.run(browser.get(*arguments, **headers))


@pytest.fixture
def target(client: TargetClient) -> Iterator[Dict[str, Any]]:
    """The setting ``TARGET``, which a test may change before the first request."""
    with override_settings(TARGET={"client": client}):
        from django.conf import settings  # noqa: PLC0415

        yield settings.TARGET


@pytest.mark.parametrize("path", ["/", "/await", "/stream"])
def test_a_visitor_is_recognized_on_the_second_page(
    target: Dict[str, Any], edge: LocalEdge, get: Get, path: str
) -> None:
    before = len(edge.requests)
    first = get(path)
    assert text_of(first) == HERO
    assert (first.cookies["mbox"]["samesite"], first.cookies["mbox"]["path"]) == ("Lax", "/")
    assert (first["Cache-Control"], first["Vary"]) == ("private", "Cookie")
    assert text_of(get(path)) == HERO
    one, two = calls_since(edge, before)
    assert one.url == "http://testserver" + path
    assert two.visitor and f"PC#{two.visitor}#" in first.cookies["mbox"].value
    assert two.session == one.session


def test_a_visit_needs_no_middleware() -> None:
    assert Visit.of(RequestFactory().get("/gr\u00fc\u00dfe/?a=1")).url == "http://testserver/gr%C3%BC%C3%9Fe/?a=1"
    assert Visit.of(AsyncRequestFactory().get("/cart?a=1")).url == "http://testserver/cart?a=1"


def test_a_page_without_offers_shows_its_defaults(client_without_offers: TargetClient, get: Get) -> None:
    with override_settings(TARGET={"client": client_without_offers}):
        assert [text_of(get(path)) for path in ("/", "/await", "/stream")] == [DEFAULT] * 3
        page = get("/page")
        assert (page.status_code, "content" in text_of(page)) == (200, False)


def test_a_template_has_the_state_for_at_js(
    target: Dict[str, Any], client: TargetClient, edge: LocalEdge, get: Get
) -> None:
    """HTML in the state cannot end the script element."""
    displays, clicks = len(edge.displays), len(edge.clicks)
    answer = get("/page")
    page = text_of(answer)
    found = re.fullmatch("<script>state = (.*?);</script><script>(.*?)</script><p>(.*)</p>", page)
    assert found is not None
    state = json.loads(found[1])
    assert state["response"]["execute"]["pageLoad"]["options"][0]["content"] == HERO
    assert found[2] == (
        "window.targetGlobalSettings = Object.assign(window.targetGlobalSettings || {}, "
        "{serverState: " + found[1] + " || undefined});"
    )
    assert found[3] == answer.cookies["mbox"].value
    assert client.flush()
    assert [event.location for event in edge.displays[displays:]] == ["target-global-mbox", "cart"]
    assert [event.location for event in edge.clicks[clicks:]] == ["target-global-mbox"]


def rendered(template: str, **context: Any) -> str:
    """Render a template for a request."""
    request = RequestFactory().get("/")
    TargetMiddleware(lambda request: HttpResponse())(request)
    return str(engines["django"].from_string("{% load target %}" + template).render(context, request))


def test_the_script_has_the_nonce_of_the_content_security_policy(target: Dict[str, Any]) -> None:
    assert rendered("{% target_script nonce=given %}", given='a"b').startswith('<script nonce="a&quot;b">window.')
    assert rendered("{% target_script %}", csp_nonce="abc").startswith('<script nonce="abc">window.')
    assert rendered("{% target_script %}").endswith("{serverState: null || undefined});</script>")


def test_a_template_without_a_visit_says_what_is_missing() -> None:
    template = engines["django"].from_string("{% load target %}{% target_server_state %}")
    with pytest.raises(ValueError, match="the context has no request; render the template with the request"):
        template.render({})
    with pytest.raises(ValueError, match="its request has no visit; add TargetMiddleware to MIDDLEWARE"):
        template.render({}, RequestFactory().get("/"))


def test_a_page_without_a_call_is_unchanged(target: Dict[str, Any], get: Get) -> None:
    answer = get("/about")
    assert text_of(answer) == "about"
    assert not answer.cookies
    assert not {"Cache-Control", "Vary", "Accept-CH"} & set(answer.headers)


def test_an_error_page_sets_the_cookies(target: Dict[str, Any], get: Get) -> None:
    answer = get("/broken")
    assert (answer.status_code, "mbox" in answer.cookies) == (500, True)


def test_the_settings_apply(target: Dict[str, Any], get: Get) -> None:
    target.update(cookies={"domain": "shop.example", "secure": True}, cache_control=False, accept_client_hints=True)
    answer = get("/")
    cookie = answer.cookies["mbox"]
    assert (cookie["domain"], cookie["secure"], "Cache-Control" in answer.headers) == ("shop.example", True, False)
    assert "Sec-CH-UA-Model" in answer["Accept-CH"]


def test_is_bot_may_be_a_dotted_path(target: Dict[str, Any], edge: LocalEdge, get: Get) -> None:
    target["is_bot"] = "tests.integrations.django_site.is_bot"
    before = len(edge.requests)
    assert text_of(get("/")) == DEFAULT
    assert len(edge.requests) == before


@pytest.mark.parametrize(
    ("settings", "headers", "url"),
    [
        ({}, {}, "http://testserver/"),
        ({"SECURE_PROXY_SSL_HEADER": ("HTTP_X_SCHEME", "https")}, {"HTTP_X_SCHEME": "https"}, "https://testserver/"),
        (
            {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_SCHEME", "https"), "TARGET": {"trusted_proxies": 1}},
            {"HTTP_X_SCHEME": "http", "HTTP_X_FORWARDED_PROTO": "https"},
            "http://testserver/",
        ),
        ({"TARGET": {"trusted_proxies": 1}}, {"HTTP_X_FORWARDED_PROTO": "https"}, "https://testserver/"),
        ({"USE_X_FORWARDED_HOST": True}, {"HTTP_X_FORWARDED_HOST": "shop.example"}, "http://shop.example/"),
        ({}, {"HTTP_X_FORWARDED_HOST": "shop.example"}, "http://testserver/"),
    ],
)
@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_the_proxy_settings_of_django_are_used(
    client: TargetClient, factory: Any, settings: Dict[str, Any], headers: Dict[str, str], url: str
) -> None:
    if factory is RequestFactory:
        names = {"HTTP_HOST": "testserver", **headers}
    else:
        names = {name[len("HTTP_") :]: value for name, value in headers.items()}
    request = factory().get("/", **names)
    with override_settings(**{**settings, "TARGET": {"client": client, **settings.get("TARGET", {})}}):
        TargetMiddleware(lambda request: HttpResponse())(request)
    assert request.target.url == url
    assert request.target.https is url.startswith("https:")


@pytest.mark.parametrize("path", ["/gr\u00fc\u00dfe/", "/a b", "/\u4e2d"])
def test_a_path_is_percent_encoded(target: Dict[str, Any], path: str) -> None:
    for factory in (RequestFactory(), AsyncRequestFactory()):
        request = factory.get(path)
        TargetMiddleware(lambda request: HttpResponse())(request)
        assert request.target.url == request.build_absolute_uri()


def test_views_can_be_tested_with_request_factories(target: Dict[str, Any]) -> None:
    """A test wraps a single view in the middleware."""
    answer = TargetMiddleware(django_site.home)(RequestFactory().get("/"))
    assert (text_of(answer), "mbox" in answer.cookies) == (HERO, True)

    async def awaited() -> Any:
        return await TargetMiddleware(django_site.awaited)(AsyncRequestFactory().get("/"))

    assert text_of(asyncio.run(awaited())) == HERO


def test_a_request_without_a_host_has_a_visit_without_a_url(target: Dict[str, Any]) -> None:
    request = HttpRequest()
    TargetMiddleware(lambda request: HttpResponse())(request)
    assert (request.target.url, type(request.target)) == (None, Visit)


CLIENT = "tests.integrations.django_site.client"


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (None, "Invalid setting TARGET: expected a dict, got None; add TARGET = {"),
        ({}, r"Invalid setting TARGET\['client'\]: expected a TargetClient, a function that returns it, or the"),
        ({"client": 7}, r"Invalid setting TARGET\['client'\]: expected a TargetClient"),
        ({"client": "shop.nothing"}, r"Invalid setting TARGET\['client'\]: 'shop.nothing' cannot be imported; No mod"),
        ({"client": CLIENT, "cookie": {}}, r"unknown setting TARGET\['cookie'\]; did you mean 'cookies'\?"),
        ({"clent": CLIENT}, r"unknown setting TARGET\['clent'\]; did you mean 'client'\?"),
        ({"client": "shop.nothing", "is_bott": 1}, r"unknown setting TARGET\['is_bott'\]; did you mean 'is_bot'\?"),
        ({"client": CLIENT, "cookies": {"samesite": "Lax"}}, r"unknown setting TARGET\['cookies'\]\['samesite'\]; did"),
        ({"client": CLIENT, "cookies": {"domain": 7}}, r"Invalid setting TARGET\['cookies'\]\['domain'\]: expected a"),
        ({"client": CLIENT, "cookies": "Lax"}, r"Invalid setting TARGET\['cookies'\]: expected a CookieOptions"),
        ({"client": CLIENT, "trusted_proxies": "1"}, r"Invalid setting TARGET\['trusted_proxies'\]: expected a number"),
    ],
)  # fmt: skip
def test_mistakes_in_the_settings_are_reported(setting: Any, text: str) -> None:
    """The middleware raises an error when it is created, and Django's system checks report the same text."""
    with override_settings(TARGET=setting):
        with pytest.raises(ImproperlyConfigured, match=text) as caught:
            Client().get("/")
        assert type(caught.value) is InvalidSetting
        (found,) = run_checks()
        assert (found.id, found.msg) == ("target.E001", str(caught.value))


def test_the_system_checks_accept_valid_settings_and_report_missing_ones(target: Dict[str, Any]) -> None:
    target.update(client=CLIENT, cookies=CookieOptions(same_site="Strict"))
    assert run_checks() == []
    with override_settings():
        from django.conf import settings  # noqa: PLC0415

        del settings.TARGET
        assert [found.msg.partition(";")[0] for found in run_checks()] == ["Invalid setting TARGET: expected a dict"]


class ShopMiddleware(TargetMiddleware):
    """A subclass in a project."""


@pytest.mark.parametrize(
    ("middleware", "is_missing"),
    [
        ([], True),
        (["django.middleware.common.CommonMiddleware"], True),
        (["tests.integrations.django_site.home", "shop.nothing"], True),
        (["django.middleware.common.CommonMiddleware", django_site.MIDDLEWARE], False),
        (["target_python_sdk.integrations.django.middleware.TargetMiddleware"], False),
        ([f"{__name__}.ShopMiddleware"], False),
    ],
)
def test_a_missing_middleware_is_reported(target: Dict[str, Any], middleware: List[str], is_missing: bool) -> None:
    target.update(client=CLIENT)
    with override_settings(MIDDLEWARE=middleware):
        found = [str(error) for error in run_checks() if error.id.startswith("target")]
    assert found == is_missing * [
        "?: (target.E002) TARGET is set, but no middleware adds request.target.\n"
        '\tHINT: Add "target_python_sdk.integrations.django.TargetMiddleware" to MIDDLEWARE, after Django\'s own'
        " middleware."
    ]
