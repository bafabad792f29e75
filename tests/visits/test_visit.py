"""``Visit``: calls for the visitor of a request, without any framework."""

import asyncio
import json
import threading
from typing import Any, Dict, Iterator, List, Optional
from urllib.parse import quote

import pytest

from target_python_sdk import CookieOptions, TargetClient, Visit
from target_python_sdk.errors import OptionError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.server_state import server_state
from target_python_sdk.testing import SocketServer, response
from target_python_sdk.types import (
    Address,
    Context,
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    MboxRequest,
    Notification,
    NotificationMbox,
    PrefetchRequest,
    PrefetchResponse,
    QAMode,
    RequestDetails,
    TargetDeliveryResponse,
    View,
    ViewRequest,
)
from target_python_sdk.visits.environ import ACCEPT_CH
from target_python_sdk.visits.settings import visit_settings
from target_tools.logger import Log
from tests.support import ANSWER_BYTES, client_of

ACTIVITIES: Dict[str, Any] = {
    "activities": [
        {
            "id": 1,
            "locations": ["hero", "target-global-mbox"],
            "views": ["cart"],
            "metrics": [{"type": "click"}],
            "experiences": [{"name": "A", "offer": {"html": "<b>A</b></script>"}}],
        },
        {"id": 2, "locations": ["flags"], "experiences": [{"name": "A", "offer": {"json": {"color": "red"}}}]},
    ]
}
COOKIE = "session#0001#9999999999|PC#abc.35_0#9999999999"
BROWSER = {
    "HTTP_HOST": "shop.example",
    "PATH_INFO": "/",
    "wsgi.url_scheme": "https",
    "REMOTE_ADDR": "203.0.113.7",
    "HTTP_COOKIE": f"mbox={COOKIE}; mboxEdgeCluster=35",
}


@pytest.fixture(scope="module")
def edge() -> Iterator[LocalEdge]:
    with LocalEdge(ACTIVITIES) as running:
        yield running


@pytest.fixture(scope="module")
def client(edge: LocalEdge) -> Iterator[TargetClient]:
    with client_of(edge, target_location_hint="35") as made:
        yield made


@pytest.fixture(scope="module")
def on_device(edge: LocalEdge) -> Iterator[TargetClient]:
    options = {"artifact_payload": edge.rules, "polling_interval": 0, "decisioning_method": "on-device"}
    with client_of(edge, target_location_hint="35", **options) as made:
        yield made


def visit_of(client: Any, environ: Dict[str, Any] = BROWSER, **options: Any) -> Visit:
    return Visit(environ, visit_settings({"client": client, **options}))


pytestmark = pytest.mark.server


# Calls


def test_offers_are_returned_by_name_and_cookies_are_stored(client: TargetClient) -> None:
    visit = visit_of(client)
    offers = visit.offers("hero", MboxRequest(name="flags"))
    assert (list(offers), len(offers)) == (["hero", "flags"], 2)
    assert offers["hero"].html == "<b>A</b></script>"
    assert offers["flags"].get("color") == "red"
    assert offers.error is None and offers.answer is not None
    assert offers.answer.request.id.tnt_id == "abc.35_0"
    assert [cookie.name for cookie in visit.cookies()] == ["mbox", "mboxEdgeCluster"]


def test_an_awaited_call_returns_offers_and_attributes(client: TargetClient) -> None:
    visit = visit_of(client)
    offers = asyncio.run(visit.offers_async("hero", page_load=True))
    assert offers["hero"].html == offers.page_load.html == "<b>A</b></script>"
    assert visit.cookies()
    attributes = asyncio.run(visit.attributes_async("flags"))
    assert attributes.get_value("flags", "color") == "red"


def test_a_name_that_was_not_requested_is_a_key_error(client: TargetClient) -> None:
    offers = visit_of(client).offers("hero", "nothing")
    assert not offers["nothing"]
    assert "heroo" not in offers
    with pytest.raises(KeyError, match="'heroo' was not requested; did you mean 'hero'"):
        offers["heroo"]


def test_a_view_or_page_load_that_was_not_requested_says_so(client: TargetClient) -> None:
    offers = visit_of(client).offers("hero", views=["cart"])
    assert repr(offers.view("carts")) == "<Offer for view 'carts': it was not requested; did you mean 'cart'?>"
    assert repr(offers.page_load) == "<Offer for the page load: it was not requested>"


@pytest.mark.parametrize("is_awaited", [False, True])
def test_an_mbox_may_be_a_dict(client: TargetClient, is_awaited: bool) -> None:
    visit, given = visit_of(client), {"name": "hero", "parameters": {"member": "gold"}}
    offers = asyncio.run(visit.offers_async(given, "flags")) if is_awaited else visit.offers(given, "flags")
    assert (list(offers), offers["hero"].html) == (["hero", "flags"], "<b>A</b></script>")
    assert offers.answer is not None
    sent = offers.answer.request.to_json()["execute"]["mboxes"]
    assert sent[0] == {"index": 0, "name": "hero", "parameters": {"member": "gold"}}


def test_views_are_prefetched_and_reported(client: TargetClient, edge: LocalEdge) -> None:
    visit = visit_of(client)
    offers = visit.offers("hero", views=["cart"], prefetch=True)
    assert offers.view("cart").html
    displays, clicks = len(edge.displays), len(edge.clicks)
    assert offers["hero"].display_tokens and offers["hero"].click_tokens
    assert offers.view("none").click_tokens == offers.view("none").display_tokens == []
    visit.display(offers["hero"], offers.view("cart"), offers.view("none"))
    visit.click(offers["hero"], offers.page_load)
    assert client.flush()
    assert [event.location for event in edge.displays[displays:]] == ["hero", "cart"]
    assert [event.location for event in edge.clicks[clicks:]] == ["hero"]


@pytest.mark.parametrize("on_error", ["raise", "default"])
def test_a_failed_call_returns_falsy_offers(on_error: str) -> None:
    with TargetClient.create(
        client="acmeclient", organization_id="1@AdobeOrg", server_domain="127.0.0.1:9", secure=False, retries=1,
        on_error=on_error,
    ) as unreachable:  # fmt: skip
        visit = visit_of(unreachable)
        offers = visit.offers("hero", views=["cart"], page_load=True)
        assert not (offers["hero"] or offers.page_load or offers.view("cart"))
        assert type(offers.error).__name__ == "ConnectionFailed"
        assert visit.server_state() == "null"
        awaited = asyncio.run(visit.offers_async("hero"))
        assert awaited.error is not None
        assert visit.attributes("flags").as_object("flags") == {}
        assert asyncio.run(visit.attributes_async("flags")).as_object() == {}


def test_an_awaited_call_refuses_text_as_views(client: TargetClient) -> None:
    views: Any = "cart"
    with pytest.raises(OptionError, match=r"pass views=\['cart'\]"):
        asyncio.run(visit_of(client).offers_async("hero", views=views))


def test_views_that_are_not_a_list_are_refused(client: TargetClient) -> None:
    with pytest.raises(OptionError, match=r"Invalid option 'views': expected a list of names.*pass views=\['cart'\]"):
        visit_of(client).offers(views="cart")


def test_the_error_of_a_visit_without_a_client_says_what_to_pass() -> None:
    with pytest.raises(OptionError, match="pass client=… to the integration"):
        visit_of(None).offers("hero")


def test_the_client_may_be_a_function_that_returns_it(client: TargetClient) -> None:
    assert visit_of(lambda: client).offers("hero")["hero"]


def test_invalid_settings_are_refused() -> None:
    with pytest.raises(OptionError, match="did you mean 'trusted_proxies'"):
        visit_settings({"trusted_proxy": 1})
    for options in ({"client": "acme"}, {"is_bot": True}, {"has_consent": "yes"}, {"cookies": {}}):
        with pytest.raises(OptionError, match=next(iter(options))):
            visit_settings(options)


# Requests


HINTS = {
    "HTTP_SEC_CH_UA": '"Chromium";v="120", "Not A(Brand";v="99"',
    "HTTP_SEC_CH_UA_MOBILE": "?1",
    "HTTP_SEC_CH_UA_PLATFORM": '"Android"',
    "HTTP_SEC_CH_UA_MODEL": '""',
    "HTTP_SEC_CH_UA_BITNESS": "x" * 2000,
}


def test_client_hints_are_passed_to_the_call() -> None:
    hints = visit_of(None, {**BROWSER, **HINTS}).context.client_hints
    assert hints is not None
    assert hints.to_json() == {
        "mobile": True,
        "platform": "Android",
        "browserUAWithMajorVersion": HINTS["HTTP_SEC_CH_UA"],
    }
    assert visit_of(None).context.client_hints is None


def test_the_language_and_the_host_are_passed_to_the_call() -> None:
    browser = visit_of(None, {**BROWSER, "HTTP_ACCEPT_LANGUAGE": "de-CH, en;q=0.5"}).context.browser
    assert browser is not None
    assert browser.to_json() == {"host": "shop.example", "language": "de-CH, en;q=0.5"}


QA_JSON = '{"token":"t","listedActivitiesOnly":true,"evaluateAsTrueAudienceIds":["7"],"previewIndexes":[{"activityIndex":1,"experienceIndex":2},{"activityIndex":"<"}]}'  # fmt: skip # noqa: E501


def test_the_qa_mode_is_that_of_the_link_or_else_of_the_cookie() -> None:
    cookie = f"{BROWSER['HTTP_COOKIE']}; at_qa_mode={quote(QA_JSON)}"
    visit = visit_of(None, {**BROWSER, "HTTP_COOKIE": cookie})
    assert visit.qa_mode is not None
    assert visit.qa_mode.to_json() == {
        "token": "t",
        "listedActivitiesOnly": True,
        "evaluateAsTrueAudienceIds": [7],
        "previewIndexes": [{"activityIndex": 1, "experienceIndex": 2}],
    }
    linked = visit_of(None, {**BROWSER, "HTTP_COOKIE": cookie, "QUERY_STRING": "at_preview_token=link"})
    assert linked.options(DeliveryRequest())["request"].qa_mode == QAMode(token="link")
    given = linked.options(DeliveryRequest(qa_mode=QAMode(token="own")))["request"]
    assert given.qa_mode == QAMode(token="own")


@pytest.mark.parametrize("value", ["", "x", "{}", "[]", "%7B%22token%22%3A%22a b%22%7D", "[" * 5000, '{"token":7'])
def test_a_malformed_qa_cookie_is_ignored(value: str) -> None:
    assert visit_of(None, {**BROWSER, "HTTP_COOKIE": f"at_qa_mode={value}"}).qa_mode is None


def test_the_cookies_of_the_experience_cloud_visitor_are_passed_on() -> None:
    cookie = "a=1; AMCV_1%40AdobeOrg=MCMID|1; AMCVS_1%40AdobeOrg=1; AMCV_2%40AdobeOrg=MCMID|2"
    options = visit_of(None, {**BROWSER, "HTTP_COOKIE": cookie}).options()
    assert options["visitor_cookie"] == "AMCV_1%40AdobeOrg=MCMID|1; AMCV_2%40AdobeOrg=MCMID|2"
    assert visit_of(None).options()["visitor_cookie"] is None


def test_values_in_the_context_of_a_request_take_precedence() -> None:
    request = DeliveryRequest(context=Context(channel="mobile", user_agent="own"))
    context = visit_of(None).options(request)["request"].context
    assert (context.channel, context.user_agent, context.browser.host) == ("mobile", "own", "shop.example")


SCOPE = {
    "type": "http",
    "scheme": "https",
    "path": "/gr\u00fc\u00dfe",
    "query_string": b"a=1",
    "headers": [
        (b"host", b"shop.example"),
        (b"cookie", b"mbox=1"),
        (b"cookie", b"mboxEdgeCluster=35"),
        (b"user-agent", b"Mozilla/5.0"),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"x-forwarded-for", b"198.51.100.1"),
    ],
    "client": ("203.0.113.7", 1234),
    "server": ("127.0.0.1", 8000),
}


class Request:
    """A stand-in for a framework's request."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


@pytest.mark.parametrize("request_", [SCOPE, Request(scope=SCOPE)], ids=["scope", "request"])
def test_an_asgi_scope_is_read_like_an_environ(request_: Any) -> None:
    visit = Visit.of(request_, visit_settings({"trusted_proxies": 1}))
    assert (visit.target_cookie, visit.target_location_hint) == ("1", "35")
    assert visit.url == "https://shop.example/gr%C3%BC%C3%9Fe?a=1"
    context = visit.context
    assert context.user_agent == "Mozilla/5.0"
    assert context.geo is not None and context.geo.ip_address == "198.51.100.1"


def test_the_settings_may_be_the_number_of_proxies() -> None:
    context = Visit({**BROWSER, "HTTP_X_FORWARDED_FOR": "192.0.2.1, 198.51.100.1"}, 1).context
    assert context.geo is not None and context.geo.ip_address == "198.51.100.1"


def test_a_mounted_application_has_the_whole_path() -> None:
    for path in ("/shop/a", "/a"):  # some servers leave the root path out of the path
        assert Visit.of({**SCOPE, "root_path": "/shop", "path": path}).url == "https://shop.example/shop/a?a=1"
    assert Visit.of({**SCOPE, "root_path": "/shop", "path": "/shopping"}).url == (
        "https://shop.example/shop/shopping?a=1"
    )


def test_headers_with_underscores_are_not_those_of_a_trusted_proxy() -> None:
    forged = [(b"x_forwarded_host", b"evil.example"), (b"x_forwarded_for", b"192.0.2.66")]
    headers = [(b"host", b"inner"), (b"x-forwarded-host", b"shop.example"), (b"x-forwarded-for", b"198.51.100.1")]
    visit = Visit.of({**SCOPE, "headers": [*headers, *forged]}, 1)
    assert visit.url is not None and visit.url.startswith("https://shop.example/")
    assert visit.context.geo is not None and visit.context.geo.ip_address == "198.51.100.1"


def test_a_scope_needs_few_keys() -> None:
    assert Visit.of({"type": "http"}).url is None
    unix = Visit.of({"type": "http", "path": "/", "server": ("/run/app.sock", None), "headers": []})
    assert unix.url is None and unix.context.geo is None


@pytest.mark.parametrize("request_", [BROWSER, Request(environ=BROWSER)], ids=["environ", "request"])
def test_a_visit_can_be_created_from_an_environ(request_: Any) -> None:
    assert Visit.of(request_).url == "https://shop.example/"


def test_an_object_that_is_not_a_request_is_refused() -> None:
    with pytest.raises(OptionError, match="a request of Django, Flask"):
        Visit.of("https://shop.example/")


# Consent


def without_consent(client: TargetClient, **options: Any) -> Visit:
    return visit_of(client, has_consent=lambda visit: False, **options)


@pytest.mark.parametrize("option", ["has_consent", "is_bot", "attribute"])
@pytest.mark.parametrize("where", ["on_device", "client"])
def test_without_consent_nothing_is_sent_and_no_cookie_is_set(
    request: pytest.FixtureRequest, edge: LocalEdge, where: str, option: str
) -> None:
    client: TargetClient = request.getfixturevalue(where)
    answers = {"has_consent": False, "is_bot": True}
    options = {option: lambda visit: answers[option]} if option in answers else {}
    visit = visit_of(client, **options)
    if option == "attribute":
        visit.consent = False
    before = len(edge.requests)
    offers = visit.offers("hero", page_load=True)
    assert bool(offers["hero"]) is (where == "on_device")
    assert offers.answer is not None
    assert offers.answer.meta["consent"] is False
    assert visit.attributes("flags").as_object("flags") == ({"color": "red"} if where == "on_device" else {})
    visit.click(offers["hero"])
    assert client.flush()
    assert len(edge.requests) == before
    assert visit.cookies() == [] == visit.cookie_headers()


def test_a_call_without_consent_says_so_in_the_log_and_in_the_printed_answer(
    client: TargetClient, on_device: TargetClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "adobe.target")
    undecided = without_consent(client).offers("hero").answer
    decided = without_consent(on_device).offers("hero").answer
    lines = [(record.levelname, record.getMessage()) for record in caplog.records if "consent" in record.getMessage()]
    assert lines == [("DEBUG", "get_offers without consent: nothing is sent")] * 2
    assert repr(undecided).startswith("<TargetDeliveryResponse consent=False status=None request_id=")
    assert repr(decided).startswith("<TargetDeliveryResponse on-device consent=False status=200 request_id=")


def test_send_notifications_without_consent_sends_nothing(on_device: TargetClient, edge: LocalEdge) -> None:
    prefetched = visit_of(on_device).offers("hero", prefetch=True)
    before = len(edge.requests)
    request = DeliveryRequest(notifications=[prefetched["hero"].display()])
    answer = on_device.send_notifications(request=request, consent=False)
    assert answer.meta["consent"] is False
    assert on_device.flush()
    assert len(edge.requests) == before


def test_if_consent_is_given_or_unknown_calls_are_sent_and_cookies_set(client: TargetClient) -> None:
    for consent in (True, None):
        visit = visit_of(client, has_consent=lambda visit, consent=consent: consent)
        offers = visit.offers("hero")
        assert offers.answer is not None and "consent" not in offers.answer.meta
        assert visit.cookies()


@pytest.mark.parametrize("refusal", [0, "", False])
def test_a_falsy_result_of_has_consent_is_a_refusal(client: TargetClient, refusal: Any) -> None:
    visit = visit_of(client, has_consent=lambda request: refusal)
    assert not visit.may_send
    answer = visit.offers("hero").answer
    assert answer is not None and answer.meta["consent"] is False
    assert answer.cookies() == [] and answer.target_cookie


def test_the_answer_of_a_failed_call_says_that_consent_was_missing(edge: LocalEdge) -> None:
    options = {
        "artifact_location": f"http://{edge.domain}/missing.json",
        "polling_interval": 0,
        "decisioning_method": "on-device",
    }
    with client_of(edge, **options, maximum_wait_ready=1, timeout=100, on_error="default") as offline:
        offers = without_consent(offline).offers("hero")
    assert offers.error is not None and offers.answer is not None
    assert offers.answer.meta["consent"] is False


def test_without_consent_a_hybrid_client_without_an_artifact_returns_no_offers(edge: LocalEdge) -> None:
    options = {"decisioning_method": "hybrid", "artifact_location": f"http://{edge.domain}/nothing.json"}
    with client_of(edge, target_location_hint="35", polling_interval=0, **options) as client:
        answer = client.get_offers({"request": {"execute": {"mboxes": [{"name": "hero"}]}}, "consent": False})
        assert not answer.offer("hero")
        assert (answer.meta["consent"], answer.meta["decisioning_method"]) == (False, "on-device")


def test_a_forced_experience_needs_no_consent(on_device: TargetClient) -> None:
    request = {"execute": {"mboxes": [{"name": "hero"}]}}
    answer = on_device.get_offers({"request": request, "force": {1: "A"}, "consent": False})
    assert (list(answer.meta["forced"].values()), answer.meta["consent"]) == (["A"], False)


@pytest.mark.parametrize("answer", ["no", "", 0, 1, object()])
def test_a_result_of_has_consent_other_than_true_false_and_none_counts_as_false(
    client: TargetClient, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    visit = visit_of(client, has_consent=lambda _: answer)
    assert visit.consent is False and not visit.may_send
    assert f"a value of the type {type(answer).__name__} counts as False" in caplog.text


def test_a_coroutine_function_is_refused_as_has_consent_or_is_bot() -> None:
    async def answer(_: Any) -> bool:
        return True

    for name in ("has_consent", "is_bot"):
        with pytest.raises(OptionError, match=f"'{name}'.*coroutine function"):
            visit_settings({name: answer})


# Mistakes


def test_a_misspelled_keyword_is_an_error(client: TargetClient) -> None:
    misspelled: Any = {"view": ["cart"]}
    with pytest.raises(OptionError, match="unexpected keyword argument 'view'; did you mean 'views'"):
        visit_of(client).offers("hero", **misspelled)
    with pytest.raises(OptionError, match=r"visit\.options"):
        visit_of(client).offers(**{"request": DeliveryRequest()})
    with pytest.raises(OptionError, match="did you mean 'timeout'"):
        asyncio.run(visit_of(client).attributes_async("flags", **{"time_out": 1}))
    with pytest.raises(OptionError, match=r"^unexpected keyword argument 'prefetch'$"):
        visit_of(client).attributes("flags", **{"prefetch": True})


@pytest.mark.parametrize(
    ("mbox", "text"),
    [
        (7, "Invalid argument 'mboxes': expected the name of an mbox, a MboxRequest or a dict, got 7"),
        (None, "Invalid argument 'mboxes': expected the name of an mbox, a MboxRequest or a dict, got None"),
        (["hero", "cart"], "got a list of 2 items; pass each mbox as a separate argument"),
        ({"nam": "hero"}, "unknown key 'nam' in request.execute.mboxes[0]; did you mean 'name'?"),
    ],
)
def test_an_invalid_mbox_is_an_error(client: TargetClient, mbox: Any, text: str) -> None:
    with pytest.raises(OptionError) as blocking:
        visit_of(client).offers(mbox)
    with pytest.raises(OptionError) as awaited:
        asyncio.run(visit_of(client).offers_async(mbox))
    assert str(blocking.value) == str(awaited.value)
    assert str(awaited.value).endswith(text)


def test_a_click_that_is_not_measured_is_logged_once(
    client: TargetClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("target_python_sdk.offers._LOG", Log())
    visit = visit_of(client)
    offers = visit.offers("flags", "nothing")
    visit.click(*offers.values())
    visit.click(*offers.values())
    text = "No click on mbox 'flags' can be reported: no activity measures clicks on it"
    assert [record.levelname for record in caplog.records if record.getMessage() == text] == ["WARNING"]
    warnings = "".join(record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert "No click on mbox 'nothing'" not in warnings


@pytest.fixture()
def new_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the log, because the old one does not repeat the warning about a domain."""
    monkeypatch.setattr("target_python_sdk.visits.response_headers._LOG", Log())


@pytest.mark.parametrize(
    ("domain", "host", "logged"),
    [
        ("shop.example", "127.0.0.1:5000", True),
        ("shop.example", "myshop.example", True),
        ("www.shop.example", "shop.example", True),
        ("shop.example", "[::1]:5000", True),
        ("shop.example", "shop.example:5000", False),
        (".Shop.example", "www.SHOP.example", False),
        ("shop.example", "", False),
        (None, "127.0.0.1", False),
    ],
)
@pytest.mark.usefixtures("new_log")
def test_a_cookie_domain_that_does_not_match_the_host_is_logged_once(
    client: TargetClient, caplog: pytest.LogCaptureFixture, domain: Optional[str], host: str, logged: bool
) -> None:
    settings = visit_settings({"client": client, "cookies": CookieOptions(domain=domain)})
    for _ in range(2):
        visit = Visit({**BROWSER, "HTTP_HOST": host}, settings)
        visit.offers("hero")
        assert len(visit.cookie_headers()) == 2
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(lines) == logged
    assert all(line.startswith(f"The domain of the cookies, {domain!r}, does not match the host ") for line in lines)


def test_only_offers_can_be_displayed(client: TargetClient) -> None:
    visit = visit_of(client)
    for argument in (visit.offers("hero"), "hero"):
        with pytest.raises(OptionError, match="expected an Offer, such as"):
            visit.display(argument)  # type: ignore[arg-type]
    awaitable: Any = visit.offers_async("hero")
    with pytest.raises(OptionError, match="did you forget await"):
        visit.click(awaitable)
    awaitable.close()


def test_the_error_names_a_function_that_returns_no_client() -> None:
    def no_client() -> Any:
        return None

    with pytest.raises(OptionError, match=r"no_client.* returned None; expected a TargetClient"):
        visit_of(no_client).offers("hero")


def test_a_closed_client_answers_without_offers(edge: LocalEdge, caplog: pytest.LogCaptureFixture) -> None:
    client = client_of(edge, target_location_hint="35")
    client.close()
    offers = visit_of(client).offers("hero")
    assert not offers["hero"] and offers.answer is None
    assert type(offers.error).__name__ == "ClientClosed"
    assert "answered without offers: ClientClosed" in caplog.text
    assert visit_of(client).attributes("flags").as_object() == {}


def test_the_first_failure_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    options: Any = {"server_domain": "127.0.0.1:9", "secure": False, "retries": 1}
    with TargetClient.create(client="acmeclient", organization_id="1@AdobeOrg", **options) as unreachable:
        offers = visit_of(unreachable).offers("hero")
    assert offers.answer is not None and offers.error is offers.answer.error
    assert [record.levelname for record in caplog.records if "answered without offers" in record.getMessage()] == [
        "WARNING"
    ]


# Responses


class Response:
    """A stand-in for a framework's response that keeps the headers and cookies."""

    def __init__(self, **headers: str) -> None:
        self.headers = headers
        self.cookies: Dict[str, Any] = {}

    def set_cookie(self, key: str, value: str, **attributes: Any) -> None:
        self.cookies[key] = (value, attributes)


def test_cookies_and_caching_rules_are_set_on_a_response(client: TargetClient) -> None:
    visit = visit_of(client, accept_client_hints=True)
    visit.offers("hero")
    response = Response(Vary="Accept-Encoding")
    visit.set_cookies(response)
    assert set(response.cookies) == {"mbox", "mboxEdgeCluster"}
    _, attributes = response.cookies["mbox"]
    assert {**attributes, "max_age": 0} == {
        "max_age": 0, "path": "/", "samesite": "Lax", "secure": True, "domain": None, "httponly": False,
    }  # fmt: skip
    assert response.headers == {
        "Vary": "Accept-Encoding, Cookie",
        "Cache-Control": "private",
        "Accept-CH": ACCEPT_CH,
    }


def starlette_response() -> Any:
    return pytest.importorskip("starlette.responses").Response()


def flask_response() -> Any:
    return pytest.importorskip("flask").Response()


@pytest.mark.parametrize("make", [starlette_response, flask_response])
def test_repeated_headers_and_own_cookies_of_a_response_are_kept(client: TargetClient, make: Any) -> None:
    visit, response = visit_of(client), make()
    visit.offers("hero")
    add = getattr(response.headers, "append", None) or response.headers.add
    for name, value in [
        ("Vary", "Accept"),
        ("Vary", "Origin"),
        ("Cache-Control", "max-age=1"),
        ("Cache-Control", "no-store"),
    ]:
        add(name, value)
    response.set_cookie("mbox", "own")
    visit.set_cookies(response)
    visit.set_cookies(response)
    assert response.headers.getlist("Vary") == ["Accept, Origin, Cookie"]
    assert response.headers.getlist("Cache-Control") == ["max-age=1, no-store"]
    cookies = response.headers.getlist("Set-Cookie")
    assert [value.partition("=")[0] for value in cookies] == ["mbox", "mboxEdgeCluster"]
    assert cookies[0].startswith("mbox=own;")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], "private"),
        (["max-age=60"], "max-age=60, private"),
        (["public, max-age=60", "s-maxage=600"], "max-age=60, private"),
        (["no-store"], "no-store"),
        (["Private, max-age=60"], "Private, max-age=60"),
        (['private="X-Id", max-age=60'], 'private="X-Id", max-age=60, private'),
    ],
)
def test_shared_caches_do_not_store_a_personal_response(client: TargetClient, given: Any, expected: str) -> None:
    visit = visit_of(client)
    visit.options()
    headers = visit.add_headers_to([("cache-control", value) for value in given])
    assert [value for name, value in headers if name.lower() == "cache-control"] == [expected]
    assert ("Vary", "Cookie") in headers


@pytest.mark.parametrize(("given", "expected"), [("*", "*"), ("cookie", "cookie"), ("Origin", "Origin, Cookie")])
def test_the_response_varies_by_cookie(client: TargetClient, given: str, expected: str) -> None:
    visit = visit_of(client)
    visit.options()
    assert ("Vary", expected) in visit.add_headers_to([("Vary", given)])


def test_headers_do_not_change_without_a_call_or_if_cache_control_is_false(client: TargetClient) -> None:
    assert visit_of(client).add_headers_to([("X", "y")]) == [("X", "y")]
    visit = visit_of(client, cache_control=False)
    visit.options()
    assert visit.add_headers_to([]) == []


# at.js


def test_the_state_for_at_js_has_the_page_load_and_the_views(client: TargetClient) -> None:
    visit = visit_of(client)
    visit.offers("hero", views=["cart"], page_load=True, customer_ids={"crm": "secret"})
    visit.offers("flags")  # without parts for at.js
    text = visit.server_state()
    assert "</" not in text and "secret" not in text and "203.0.113.7" not in text
    assert str(text.__html__()) == text  # type: ignore[attr-defined]
    state = json.loads(text)
    assert set(state["request"]["execute"]) == set(state["response"]["execute"]) == {"pageLoad"}
    assert set(state["request"]["prefetch"]) == set(state["response"]["prefetch"]) == {"views"}
    assert state["response"]["execute"]["pageLoad"]["options"][0]["content"] == "<b>A</b></script>"
    assert state["request"]["id"] == {"tntId": "abc.35_0"}
    assert state["response"]["status"] == 200


def test_the_state_for_visitor_api_js_is_that_of_the_answer(client: TargetClient) -> None:
    visit = visit_of(client)
    assert visit.visitor_state() == "null"
    offers = visit.offers("hero", customer_ids={"crm": "</script>"})
    assert offers.answer is not None
    assert json.loads(visit.visitor_state()) == offers.answer.visitor_state
    assert "customerIDs" in visit.visitor_state() and "</" not in visit.visitor_state()


def test_the_state_for_at_js_has_no_private_parts_of_the_request() -> None:
    page_load = RequestDetails(
        address=Address(url="https://shop.example/reset?token=secret"),
        profile_parameters={"email": "secret"},
        parameters={"shown": "1"},
    )
    views = [ViewRequest(name="cart", profile_parameters={"email": "secret"})]
    request = DeliveryRequest(execute=ExecuteRequest(page_load=page_load), prefetch=PrefetchRequest(views=views))
    answer = DeliveryResponse(status=200, prefetch=PrefetchResponse(views=[View(name="cart")]))
    state = server_state(request, answer)
    assert "secret" not in state
    assert json.loads(state)["request"]["execute"] == {"pageLoad": {"parameters": {"shown": "1"}}}


def test_there_is_no_state_without_a_page_load_or_views(client: TargetClient) -> None:
    visit = visit_of(client)
    assert visit.server_state() == "null"
    visit.offers("hero")
    assert visit.server_state() == "null"


def test_line_separators_are_escaped() -> None:
    response = DeliveryResponse(
        status=200, client="\u2028\u2029<!--", prefetch=PrefetchResponse(views=[View(name="v")])
    )
    assert '"client":"\\u2028\\u2029\\u003c!--"' in server_state(None, response)


# Awaited calls, notifications and replaced clients


@pytest.mark.slow
def test_a_later_change_of_an_argument_does_not_affect_awaited_calls(client: TargetClient, edge: LocalEdge) -> None:
    """The options of calls that start together are built in several turns of the event loop, some after the change."""
    before = len(edge.requests)

    async def main() -> None:
        visit, mbox, timeout = visit_of(client), MboxRequest(name="hero"), 15000
        calls = [asyncio.ensure_future(visit.offers_async(mbox, timeout=timeout)) for _ in range(100)]
        calls += [asyncio.ensure_future(visit.offers_async("flags", views=["cart"])) for _ in range(100)]
        await asyncio.sleep(0)
        mbox.name = "changed"
        assert all(await asyncio.gather(*calls))

    asyncio.run(main())
    names = [request.body["execute"]["mboxes"][0]["name"] for request in edge.requests[before:]]
    assert sorted(names) == ["flags"] * 100 + ["hero"] * 100


def test_a_failed_notification_is_reported_by_an_event_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The edge is down. ``notify`` raises no error."""
    failed: List[Any] = []
    with TargetClient.create(
        client="acmeclient", organization_id="1@AdobeOrg", server_domain="127.0.0.1:9", secure=False, retries=1,
        events={"send_notification_error": failed.append},
    ) as unreachable:  # fmt: skip
        visit_of(unreachable).notify(Notification(type="display", mbox=NotificationMbox(name="hero"), tokens=["t"]))
        assert unreachable.flush()
        assert unreachable.stats()["undelivered"] == 1
    (event,) = failed
    assert event.session_id == "0001"
    assert [each.mbox.name for each in event.notification.notifications] == ["hero"]
    assert "Notifications were not delivered" in caplog.text


def test_a_notification_is_dropped_and_reported_by_an_event_if_the_queue_is_full() -> None:
    failed: List[Any] = []
    answered, begun = threading.Event(), threading.Event()

    def held(connection: Any) -> None:
        connection.read_request()
        begun.set()
        answered.wait(20)
        connection.send(response(ANSWER_BYTES))

    with SocketServer(held) as server, client_of(
        server, max_workers=1, max_pending=1, events={"send_notification_error": failed.append}
    ) as client:
        visit = visit_of(client)
        notification = Notification(type="display", mbox=NotificationMbox(name="hero"), tokens=["t"])
        visit.notify(notification)
        assert begun.wait(20)
        for _ in range(3):
            visit.notify(notification)
        assert [type(event.error).__name__ for event in failed] == ["QueueFull", "QueueFull"]
        answered.set()


def test_a_replaced_send_notifications_gets_the_notifications(edge: LocalEdge, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: List[Any] = []
    with client_of(edge) as client:
        monkeypatch.setattr(client, "send_notifications", sent.append)
        visit_of(client).notify(Notification(type="display", mbox=NotificationMbox(name="hero"), tokens=["t"]))
        assert client.flush()
    (options,) = sent
    assert (options["session_id"], options["request"].notifications[0].tokens) == ("0001", ["t"])


def test_a_test_double_gets_the_calls() -> None:
    class Double:
        def __init__(self) -> None:
            self.sent: List[Any] = []

        def get_offers(self, options: Any) -> TargetDeliveryResponse:
            return TargetDeliveryResponse(response=DeliveryResponse())

        async def get_offers_async(self, options: Any) -> TargetDeliveryResponse:
            return self.get_offers(options)

        def send_notifications(self, options: Any) -> None:
            self.sent.append(options["request"].notifications)

    double = Double()
    visit = visit_of(double)
    assert not visit.offers("hero")["hero"]
    assert not asyncio.run(visit.offers_async("hero"))["hero"]
    visit.notify(Notification(type="display", mbox=NotificationMbox(name="hero"), tokens=["t"]))
    assert len(double.sent) == 1
