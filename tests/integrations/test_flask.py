"""The Flask extension, under Flask's test client."""

import json
import re
from typing import Any, Dict, Optional

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import OptionError
from target_python_sdk.local_edge import LocalEdge
from tests.integrations.browsing import DEFAULT, HERO, calls_since
from tests.support import installing

flask: Any = pytest.importorskip("flask", reason="flask is not installed: " + installing("test"))
pytest.importorskip("asgiref", reason="asgiref is not installed: " + installing("test"))

from target_python_sdk.integrations.flask import CookieOptions, Target, Visit, current_visit  # noqa: E402

pytestmark = pytest.mark.server

PAGE = "<script>state = {{ server_state() }};</script><p>{{ target_visit.target_cookie }}</p>"


def shop(client: Any = None, name: str = "shop", target: Optional[Target] = None, **options: Any) -> Any:
    """Return an application with one view for each kind of call."""
    app = flask.Flask(name)
    (target or Target()).init_app(app, client=client, **options)
    views = flask.Blueprint("views", __name__)

    @views.get("/")
    def home() -> str:
        return current_visit.offers("hero")["hero"].html or DEFAULT

    @views.get("/await")
    async def awaited() -> str:
        return (await current_visit.offers_async("hero"))["hero"].html or DEFAULT

    @views.get("/stream")
    def stream() -> Any:
        return flask.Response(iter([current_visit.offers("hero")["hero"].html or DEFAULT]))

    @views.get("/page")
    def page() -> Any:
        offers = current_visit.offers(views=["cart"], page_load=True)
        current_visit.display(offers.view("cart"))
        current_visit.click(offers.page_load)
        return flask.render_template_string(PAGE)

    @views.get("/about")
    def about() -> Any:
        return flask.render_template_string("about {{ name }}", name=name)

    @views.get("/broken")
    def broken() -> str:
        current_visit.offers("hero")
        raise RuntimeError("a mistake in the application")

    app.register_blueprint(views)
    return app


@pytest.mark.parametrize("path", ["/", "/await", "/stream"])
def test_a_visitor_is_recognized_on_the_second_page(client: TargetClient, edge: LocalEdge, path: str) -> None:
    browser, before = shop(client).test_client(), len(edge.requests)
    first = browser.get(path, base_url="http://shop.example")
    assert first.text == HERO
    assert "SameSite=Lax" in first.headers["Set-Cookie"]
    assert (first.headers["Cache-Control"], first.headers["Vary"]) == ("private", "Cookie")
    assert browser.get(path, base_url="http://shop.example").text == HERO
    one, two = calls_since(edge, before)
    assert one.url == "http://shop.example" + path
    assert two.visitor and f"PC#{two.visitor}#" in first.headers["Set-Cookie"]
    assert two.session == one.session


def test_a_page_without_offers_shows_its_defaults(client_without_offers: TargetClient) -> None:
    browser = shop(client_without_offers).test_client()
    assert [browser.get(path).text for path in ("/", "/await", "/stream")] == [DEFAULT] * 3
    page = browser.get("/page")
    assert (page.status_code, "content" in page.text) == (200, False)


def test_a_template_has_the_state_for_at_js_and_the_visit(client: TargetClient, edge: LocalEdge) -> None:
    """HTML in the state cannot end the script element. ``target_cookie`` is the value that the response sets."""
    browser, displays, clicks = shop(client).test_client(), len(edge.displays), len(edge.clicks)
    page = browser.get("/page").text
    found = re.fullmatch("<script>state = (.*?);</script><p>(.+?)</p>", page)
    assert found is not None
    state = json.loads(found[1])
    assert state["response"]["execute"]["pageLoad"]["options"][0]["content"] == HERO
    assert found[2] == browser.get_cookie("mbox").value
    assert client.flush()
    assert [event.location for event in edge.displays[displays:]] == ["target-global-mbox", "cart"]
    assert [event.location for event in edge.clicks[clicks:]] == ["target-global-mbox"]


def test_a_page_without_a_call_is_unchanged(client: TargetClient) -> None:
    """A visit is created only when it is used, or if the browser is asked for client hints."""
    asked = []
    options: Dict[str, Any] = {"has_consent": asked.append}
    answer = shop(client, **options).test_client().get("/about")
    assert answer.text == "about shop"
    assert not {"Set-Cookie", "Cache-Control", "Vary", "Accept-CH"} & set(answer.headers.keys())
    assert asked == []
    answer = shop(client, accept_client_hints=True, **options).test_client().get("/about")
    assert "Sec-CH-UA-Model" in answer.headers["Accept-CH"]
    assert [type(visit) for visit in asked] == [Visit]


def test_an_error_page_sets_the_cookies(client: TargetClient) -> None:
    answer = shop(client).test_client().get("/broken")
    assert answer.status_code == 500
    assert "mbox=" in answer.headers["Set-Cookie"]


def test_the_options_apply(client: TargetClient) -> None:
    app = shop(client, cookies=CookieOptions(domain="shop.example", http_only=True), cache_control=False)
    answer = app.test_client().get("/", base_url="https://www.shop.example")
    assert re.search("; Domain=shop.example; .*; Secure; HttpOnly; Path=/; SameSite=Lax", answer.headers["Set-Cookie"])
    assert "Cache-Control" not in answer.headers
    assert "Set-Cookie" not in shop(client, is_bot=lambda visit: True).test_client().get("/").headers


def test_several_applications_have_their_own_settings(client: TargetClient) -> None:
    """A second ``init_app`` for the same application replaces its settings; each cookie is still set only once."""
    target = Target(cookies=CookieOptions(same_site="Strict"))
    one, two = shop(client, "one", target), shop(lambda: client, "two", target, cookies=CookieOptions())
    target.init_app(one, client=client, cookies=CookieOptions(secure=True))
    answer = one.test_client().get("/")
    assert [cookie.partition("=")[0] for cookie in answer.headers.getlist("Set-Cookie")] == ["mbox", "mboxEdgeCluster"]
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "SameSite=Lax" in two.test_client().get("/").headers["Set-Cookie"]


def test_requests_within_one_application_context_have_different_visits(client: TargetClient) -> None:
    """Tests often push one application context for several requests, which then share ``flask.g``."""
    app = shop(client)
    sessions = []
    app.after_request(lambda response: sessions.append(current_visit.session_id) or response)
    with app.app_context():
        app.test_client().get("/")
        app.test_client().get("/")
    assert len(set(sessions)) == 2


def test_a_view_can_be_tested_in_a_request_context(client: TargetClient) -> None:
    app = shop(client)
    with app.test_request_context("/?a=1", headers={"Cookie": "mboxEdgeCluster=35"}):
        assert current_visit.target_location_hint == "35"
        assert current_visit is not None and current_visit.url == "http://localhost/?a=1"
        assert app.view_functions["views.home"]() == HERO


def test_invalid_options_and_unusable_visits_raise_errors(client: TargetClient) -> None:
    with pytest.raises(OptionError, match="unknown option 'cookie'; did you mean 'cookies'"):
        Target(cookie=CookieOptions())  # type: ignore[call-arg]
    with pytest.raises(OptionError, match="Invalid option 'trusted_proxies': expected a number of 0 or more"):
        Target().init_app(flask.Flask("shop"), trusted_proxies=-1)
    app = flask.Flask("shop")
    with app.test_request_context("/"), pytest.raises(OptionError, match="'shop' has no Target extension"):
        current_visit.offers("hero")
    with pytest.raises(RuntimeError, match="request context"):
        current_visit.offers("hero")
    with app.test_request_context("/"), pytest.raises(OptionError, match="pass client=… to the integration"):
        Target(app)
        current_visit.offers("hero")
