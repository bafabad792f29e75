"""``answer.offer()``, ``answer.view()``, ``answer.page_load`` and ``answer.cookies()``."""

import json
import re
import time

import pytest

from target_python_sdk import Cookie, Offer
from target_python_sdk.errors import OptionError
from target_python_sdk.types import DeliveryRequest, DeliveryResponse, TargetDeliveryResponse, VisitorId
from target_tools.logger import Log

TOKENS = {"activity.id": 1112, "activity.name": "Two greetings", "experience.id": "1", "profile.age": 42}
HERO = {"type": "html", "content": "<h1>Hi</h1>", "eventToken": "shown-1", "responseTokens": TOKENS}
FLAGS = {"type": "json", "content": {"cart": "new", "depth": 1}, "eventToken": "shown-2"}
MORE_FLAGS = {"type": "json", "content": {"depth": 2}}
CLICK = {"type": "click", "selector": "#buy", "eventToken": "clicked-1"}


def answer(**response):
    return TargetDeliveryResponse(
        response=DeliveryResponse.from_dict({"status": 200, "requestId": "r-1", **response}),
        meta={"decisioning_method": "server-side", "remote_mboxes": [], "remote_views": []},
    )


def prefetch_answer(*options, name="hero", **more):
    mbox = {"index": 0, "name": name, "options": list(options), "state": "s-1", **more}
    return answer(prefetch={"mboxes": [mbox]})


def execute_answer(*options, name="hero", **more):
    return answer(execute={"mboxes": [{"index": 0, "name": name, "options": list(options), **more}]})


@pytest.mark.parametrize("make_answer", [prefetch_answer, execute_answer])
def test_an_offer_has_its_content(make_answer):
    offer = make_answer(HERO, FLAGS, MORE_FLAGS).offer("hero")
    assert offer
    assert offer.html == "<h1>Hi</h1>"
    assert offer.json == {"cart": "new", "depth": 2}
    assert offer.get("cart") == "new"
    assert offer.get("missing") is None
    assert offer.get("missing", "classic") == "classic"
    assert offer.contents == ["<h1>Hi</h1>", {"cart": "new", "depth": 1}, {"depth": 2}]
    assert (offer.activity, offer.experience) == ("Two greetings", "1")
    assert offer.response_tokens == TOKENS


NOTHING = {
    "no response": TargetDeliveryResponse(),
    "an empty response": answer(),
    "another mbox": execute_answer(HERO, name="other"),
    "no options": answer(execute={"mboxes": [{"index": 0, "name": "hero"}]}),
    "an option without content": execute_answer({"type": "html", "responseTokens": TOKENS}),
    "a null option": execute_answer(None),
    "a null mbox": answer(execute={"mboxes": [None]}, prefetch={"mboxes": [None], "views": [None]}),
}


@pytest.mark.parametrize("reason", NOTHING)
def test_an_offer_without_content_is_falsy_and_safe_to_read(reason):
    offer = NOTHING[reason].offer("hero")
    assert not offer
    assert (offer.html, offer.json, offer.contents, offer.get("cart", "classic")) == (None, {}, [], "classic")
    with pytest.raises(OptionError, match=r"^No display of mbox 'hero' can be reported: there is no content$"):
        offer.display()
    with pytest.raises(OptionError, match=r"^No click on mbox 'hero' can be reported: there is no content$"):
        offer.click()


@pytest.fixture
def warnings(monkeypatch, caplog):
    """Return a function that returns the warnings so far. Each test has a new log, because a log repeats no warning."""
    monkeypatch.setattr("target_python_sdk.offers._LOG", Log())
    return lambda: [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


REQUESTED = {
    "execute": {"mboxes": [{"name": "cart"}, {"name": "hero"}]},
    "prefetch": {"views": [{"name": "home"}], "mboxes": [{"name": "menu"}]},
}


@pytest.mark.parametrize(
    ("read", "label", "meant"),
    [
        (lambda given: given.offer("heroo"), "mbox 'heroo'", "; did you mean 'hero'?"),
        (lambda given: given.offer("menus"), "mbox 'menus'", "; did you mean 'menu'?"),
        (lambda given: given.offer("unlike"), "mbox 'unlike'", ""),
        (lambda given: given.view("hom"), "view 'hom'", "; did you mean 'home'?"),
        (lambda given: given.page_load, "the page load", ""),
    ],
)
def test_an_offer_that_was_not_requested_says_so(read, label, meant, warnings):
    given = execute_answer(HERO)
    given.request = DeliveryRequest.from_dict(REQUESTED)
    offer = [read(given), read(given)][0]
    assert not offer and offer.html is None
    assert repr(offer) == f"<Offer for {label}: it was not requested{meant}>"
    for report in (offer.click, offer.display):
        with pytest.raises(OptionError, match=re.escape(f"{label} can be reported: it was not requested{meant}")):
            report()
    assert warnings() == [f"There is no offer for {label}: it was not requested{meant}"]


@pytest.mark.parametrize(
    ("request_", "read"),
    [
        (REQUESTED, lambda given: given.offer("hero", 7)),
        (REQUESTED, lambda given: given.offer("menu")),
        (REQUESTED, lambda given: given.view("home")),
        ({"prefetch": {"views": [{}]}}, lambda given: given.view("home")),  # requests all views
        ({"execute": {"pageLoad": {}}}, lambda given: given.page_load),
        (None, lambda given: given.offer("hero")),  # an answer that a test has made
    ],
)
def test_an_offer_that_was_requested_may_have_no_content(request_, read, warnings):
    given = answer()
    given.request = None if request_ is None else DeliveryRequest.from_dict(request_)
    assert repr(read(given)).endswith(": no content>")
    assert warnings() == []


def test_changing_what_an_offer_returns_does_not_change_the_answer():
    envelope = execute_answer(FLAGS)
    envelope.offer("hero").json["cart"] = "changed"
    assert envelope.offer("hero").json == {"cart": "new", "depth": 1}


def test_the_display_of_a_prefetched_offer_carries_tokens_and_state():
    before = int(time.time() * 1000)
    offer = prefetch_answer(HERO, FLAGS, MORE_FLAGS).offer("hero")
    notification = offer.display()
    assert before <= notification.timestamp <= int(time.time() * 1000)
    assert notification.to_dict(by_alias=True, exclude_none=True) == {
        "id": notification.id,
        "type": "display",
        "timestamp": notification.timestamp,
        "tokens": ["shown-1", "shown-2"],
        "mbox": {"name": "hero", "state": "s-1"},
    }
    assert len(notification.id) == 36
    assert offer.display().id != notification.id


def test_reporting_the_display_of_an_executed_offer_is_an_error():
    offer = execute_answer({"type": "html", "content": "x"}).offer("hero")
    with pytest.raises(OptionError, match="it was not prefetched, so its display was counted with the call"):
        offer.display()


@pytest.mark.parametrize("make_answer", [prefetch_answer, execute_answer])
def test_a_click_carries_the_token_of_the_click_metric(make_answer):
    notification = (
        make_answer(HERO, metrics=[{"type": "display", "eventToken": "x"}, None, CLICK]).offer("hero").click()
    )
    assert notification.type == "click"
    assert notification.tokens == ["clicked-1"]
    assert notification.mbox.name == "hero"


def test_missing_click_tokens_are_logged_once(warnings):
    """For an offer without content, nothing is logged."""
    offer = execute_answer(HERO, metrics=[{**CLICK, "type": "display"}]).offer("hero")
    assert [offer.click_tokens, offer.click_tokens, execute_answer().offer("hero").click_tokens] == [[], [], []]
    assert warnings() == ["No click on mbox 'hero' can be reported: no activity measures clicks on it"]


def test_mboxes_with_the_same_name_are_distinguished_by_index():
    contents = [{"options": [{"type": "html", "content": content}]} for content in ("0", "1")]
    mboxes = [{"index": index, "name": "hero", **content} for index, content in enumerate(contents)]
    envelope = answer(execute={"mboxes": mboxes})
    assert envelope.offer("hero").contents == ["0", "1"]
    assert envelope.offer("hero", index=1).html == "1"
    assert not envelope.offer("hero", index=2)


def test_an_mbox_with_several_activities_reports_all_of_them():
    mboxes = [
        {"name": "hero", "options": [HERO], "metrics": [CLICK], "state": "s-1"},
        {"name": "hero", "options": [HERO, FLAGS], "metrics": [CLICK, {"type": "click", "eventToken": "clicked-2"}]},
        {"name": "hero"},
    ]
    offer = answer(prefetch={"mboxes": mboxes}).offer("hero")
    assert (offer.display().tokens, offer.display().mbox.state) == (["shown-1", "shown-2"], "s-1")
    assert (offer.click().tokens, offer.click().mbox.state) == (["clicked-1", "clicked-2"], "s-1")


def test_a_view_has_an_offer():
    views = [
        {"name": "cart", "key": key, "options": [{**HERO, "content": key}], "metrics": [CLICK], "state": f"s-{key}"}
        for key in ("small", "large")
    ]
    envelope = answer(prefetch={"views": views})
    assert envelope.view("cart").contents == ["small", "large"]
    offer = envelope.view("cart", key="large")
    assert offer.html == "large"
    display = offer.display().to_dict(by_alias=True, exclude_none=True)
    assert display["view"] == {"name": "cart", "key": "large", "state": "s-large"}
    assert "mbox" not in display
    assert offer.click().view.key == "large"
    assert not envelope.view("checkout")


@pytest.mark.parametrize("part", ["execute", "prefetch"])
def test_the_page_load_has_an_offer(part):
    offer = answer(**{part: {"pageLoad": {"options": [HERO], "metrics": [CLICK], "state": "s"}}}).page_load
    assert offer.html == "<h1>Hi</h1>"
    assert offer.click().page_load.state == "s"
    assert offer.display().page_load is not None
    assert not answer().page_load


def test_cookies_can_be_passed_to_the_set_cookie_functions_of_frameworks():
    envelope = TargetDeliveryResponse(
        target_cookie={"name": "mbox", "value": "session#s1#1", "maxAge": 1860, "max_age": 1860},
        target_location_hint_cookie={"name": "mboxEdgeCluster", "value": "35", "maxAge": 60, "max_age": 60},
    )
    first, second = envelope.cookies(secure=True)
    assert first == Cookie("mbox", "session#s1#1", 1860, "/", "Lax", True)
    assert second.as_kwargs() == {
        "key": "mboxEdgeCluster",
        "value": "35",
        "max_age": 60,
        "path": "/",
        "samesite": "Lax",
        "secure": True,
    }
    assert TargetDeliveryResponse().cookies() == []


def test_cookies_that_browsers_drop_are_refused():
    envelope = TargetDeliveryResponse()
    assert envelope.cookies(same_site="None", secure=True) == []
    problem = "browsers drop cookies with SameSite=None that are not secure"
    with pytest.raises(OptionError, match=f"^Invalid option 'same_site': {problem}; pass secure=True, too$"):
        envelope.cookies(same_site="None")
    expected = "'Lax', 'Strict' or 'None'"
    with pytest.raises(OptionError, match=f"^Invalid option 'same_site': expected {expected}, got 'lax'$"):
        envelope.cookies(same_site="lax", secure=True)


def test_flask_sets_the_cookies():
    flask = pytest.importorskip("flask", reason="flask is missing: install the requirements of the tests")
    response = flask.Response("page")
    for cookie in TargetDeliveryResponse(
        target_cookie={"name": "mbox", "value": "session#s1#1", "maxAge": 1860, "max_age": 1860}
    ).cookies():
        response.set_cookie(**cookie.as_kwargs())
    assert response.headers["Set-Cookie"].startswith("mbox=")
    assert "Max-Age=1860" in response.headers["Set-Cookie"]


def test_the_repr_of_an_answer_lists_its_offers_without_visitor_data():
    envelope = answer(
        id={"tntId": "visitor.35_0"},
        execute={"mboxes": [{"name": "hero", "options": [HERO]}, {"name": "flags", "options": []}]},
        prefetch={"views": [{"name": "cart", "options": [FLAGS]}], "pageLoad": {"options": []}},
    )
    envelope["visitor_state"] = {"organization": {"customerIDs": "secret"}}
    assert repr(envelope) == (
        "<TargetDeliveryResponse server-side status=200 request_id='r-1'>\n"
        "  <Offer for the page load: no content>\n"
        "  <Offer for mbox 'hero': html>\n"
        "  <Offer for mbox 'flags': no content>\n"
        "  <Offer for view 'cart': json>"
    )
    assert repr(TargetDeliveryResponse()) == "<TargetDeliveryResponse>"


def test_an_offer_can_be_written_as_json():
    written = prefetch_answer(HERO).offer("hero").to_json()
    assert written == {"kind": "mbox", "name": "hero", "key": None, "options": [HERO]}
    assert json.loads(json.dumps(written)) == written
    assert execute_answer().offer("other").to_json() == {"kind": "mbox", "name": "other", "key": None, "options": []}


def test_an_answer_can_be_written_as_json():
    envelope = execute_answer(HERO)
    envelope["response"].id = VisitorId(tnt_id="v.35_0")
    written = json.loads(json.dumps(envelope.to_json()))
    assert written["response"]["id"] == {"tntId": "v.35_0"}
    assert written["response"]["execute"]["mboxes"][0]["options"] == [HERO]
    assert written["meta"]["decisioning_method"] == "server-side"
    assert written["visitor_state"] is None
    assert envelope["response"].to_json() == written["response"]


def test_offer_returns_an_instance_of_the_exported_class():
    assert isinstance(answer().offer("hero"), Offer)


# pydantic


def test_pydantic_reads_and_writes_models():
    pydantic = pytest.importorskip("pydantic", minversion="2", reason="pydantic 2 is missing: it is optional")
    adapter = pydantic.TypeAdapter(DeliveryResponse)
    read = adapter.validate_python({"requestId": "r-1", "id": {"tntId": "v"}})
    assert read == DeliveryResponse(request_id="r-1", id=VisitorId(tnt_id="v"))
    assert adapter.validate_python(read) is read
    assert json.loads(adapter.dump_json(read)) == {"requestId": "r-1", "id": {"tntId": "v"}}
    assert adapter.json_schema() == {"title": "DeliveryResponse", "type": "object"}
    with pytest.raises(pydantic.ValidationError, match="expected an object, got int"):
        adapter.validate_python(5)


def test_fastapi_returns_an_answer():
    fastapi = pytest.importorskip("fastapi", reason="fastapi is missing: it is optional")
    testclient = pytest.importorskip("fastapi.testclient", reason="httpx is missing: FastAPI's test client needs it")
    app = fastapi.FastAPI()

    @app.get("/")
    def page() -> TargetDeliveryResponse:
        return execute_answer(HERO)

    @app.get("/json")
    def as_json():
        return execute_answer(HERO).to_json()

    @app.get("/offer")
    def offer():
        return execute_answer(HERO).offer("hero").to_json()

    client = testclient.TestClient(app)
    written = json.loads(json.dumps(execute_answer(HERO).to_json()))
    assert client.get("/").json() == client.get("/json").json() == written
    assert client.get("/offer").json()["options"] == written["response"]["execute"]["mboxes"][0]["options"]
    assert client.get("/openapi.json").status_code == 200
