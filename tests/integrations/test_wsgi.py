"""The WSGI integration: from the environ to options of calls, and from answers to headers."""

import logging
import re
import sys
import threading
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_python_sdk import TargetClient
from target_python_sdk.errors import OptionError
from target_python_sdk.integrations.wsgi import ENVIRON_KEY, CookieOptions, TargetMiddleware, Visit
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.types import (
    ChannelType,
    Context,
    DeliveryRequest,
    ExecuteRequest,
    Geo,
    MboxRequest,
    TargetDeliveryResponse,
)
from target_python_sdk.visits.settings import visit_settings
from tests.support import eventually, offers, options_for

Headers = List[Tuple[str, str]]
MBOX = "session#0001#9999999999|PC#abc.35_0#9999999999"


def environ_of(path: str = "/", **values: Any) -> Dict[str, Any]:
    """Return the environ of ``GET path``; a double underscore in a name stands for a dot."""
    environ: Dict[str, Any] = {"SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "REMOTE_ADDR": "203.0.113.7"}
    environ.update({name.replace("__", "."): value for name, value in values.items()})
    setup_testing_defaults(environ)
    return environ


def visit_of(environ: Dict[str, Any], **options: Any) -> Visit:
    return Visit(environ, visit_settings(options))


def url_of(*arguments: Any, trusted_proxies: int = 0, **values: Any) -> Optional[str]:
    """Return the page's URL in the visit's context."""
    address = visit_of(environ_of(*arguments, **values), trusted_proxies=trusted_proxies).context.address
    assert address is not None
    return address.url


def address_of(trusted_proxies: int = 0, **values: Any) -> Optional[str]:
    """Return the visitor's IP address in the visit's context."""
    geo = visit_of(environ_of(**values), trusted_proxies=trusted_proxies).context.geo
    return None if geo is None else geo.ip_address


def envelope_with(value: Any = MBOX, hint: Any = "35", max_age: Any = 60) -> TargetDeliveryResponse:
    """Return an answer that sets both cookies."""
    cookie: Any = {"name": "mbox", "value": value, "maxAge": max_age, "max_age": max_age}
    return TargetDeliveryResponse(target_cookie=cookie, target_location_hint_cookie={**cookie, "value": hint})


class Browser:
    """Calls an application as a server does, and validates every call against PEP 3333."""

    def __init__(self, application: Callable[..., Iterable[bytes]], **middleware: Any) -> None:
        self.application = validator(TargetMiddleware(validator(application), **middleware))
        self.starts: List[Tuple[str, Headers]] = []
        self.written: List[bytes] = []

    def get_page(self, **values: Any) -> bytes:
        """Return the body of the response to ``GET /``."""
        answer = self.application(environ_of(**values), self._start)
        try:
            return b"".join(self.written) + b"".join(answer)
        finally:
            answer.close()  # type: ignore[attr-defined]

    def cookies(self) -> List[str]:
        """Return the cookies of the last response."""
        return [value for name, value in self.starts[-1][1] if name == "Set-Cookie"]

    def _start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
        self.starts.append((status, headers))
        return self.written.append


PLAIN: Headers = [("Content-Type", "text/plain")]
#: The headers of a response that depends on the visitor.
PERSONAL: Headers = [("Cache-Control", "private"), ("Vary", "Cookie")]


def remembering_application(*envelopes: Any) -> Callable[..., Iterable[bytes]]:
    """Return an application that stores the cookies of these answers."""

    def application(environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for envelope in envelopes:
            environ[ENVIRON_KEY].remember(envelope)
        start_response("200 OK", list(PLAIN))
        return [b"ok"]

    return application


# Cookies of the request


@pytest.mark.parametrize(
    "header",
    [
        "mbox=" + MBOX + "; mboxEdgeCluster=35",
        "mboxEdgeCluster=35;mbox=" + MBOX,
        'a=1; mbox="' + MBOX + '"; mboxEdgeCluster="35"',
        "a[]=1; {\"b\": 2}; =3; ;;; c; mbox=" + MBOX + "; \x01=\xff; mboxEdgeCluster=35; $Path=/",
        "x=\"open; mbox=" + MBOX + "; mboxEdgeCluster=35",
        "xmbox=1; mboxPC=2; MBOX=3; mbox=" + MBOX + "; mboxEdgeCluster=35; mbox=later",
        pytest.param("mbox=; mbox=" + "9" * 8193 + "; mbox=" + MBOX + "; mboxEdgeCluster=35", id="too long"),
        pytest.param(";" * 200000 + "mbox=" + MBOX + "; mboxEdgeCluster=35", id="many"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [str, lambda text: text.encode("latin-1")], ids=["text", "bytes"])
def test_cookies_are_found_among_other_cookies(header: str, kind: Callable[[str], Any]) -> None:
    """``http.cookies`` stops at the first invalid part; this parser does not."""
    visit = visit_of(environ_of(HTTP_COOKIE=kind(header)))
    assert visit.target_cookie == MBOX
    assert visit.target_location_hint == "35"


@pytest.mark.parametrize(
    "header", [None, "", "mbox", "mbox=", 'mbox=""', pytest.param("mbox=" + "9" * 8193, id="long"), 7]
)
def test_a_missing_or_invalid_cookie_header_gives_no_target_cookie(header: Any) -> None:
    visit = visit_of(environ_of(HTTP_COOKIE=header))
    assert visit.target_cookie is None
    assert visit.options()["target_cookie"] is None


# The context


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "http://127.0.0.1/"),
        ({"HTTP_HOST": "shop.example:8080", "QUERY_STRING": "a=1&b=%20"}, "http://shop.example:8080/?a=1&b=%20"),
        ({"HTTP_HOST": "shop.example", "wsgi__url_scheme": "https"}, "https://shop.example/"),
        ({"HTTP_HOST": "[2001:db8::1]:80"}, "http://[2001:db8::1]:80/"),
        ({"HTTP_HOST": "evil/<b>", "SERVER_NAME": "own", "SERVER_PORT": "8000"}, "http://own:8000/"),
        ({"HTTP_HOST": "a\r\nX: y", "SERVER_NAME": "own", "SERVER_PORT": "80"}, "http://own/"),
        ({"HTTP_HOST": "", "SERVER_NAME": "", "SERVER_PORT": ""}, None),
        ({"HTTP_HOST": "h", "SCRIPT_NAME": "/shop", "PATH_INFO": "/a b"}, "http://h/shop/a%20b"),
        ({"HTTP_HOST": "h", "PATH_INFO": "*"}, "http://h/*"),
        # The path /grüße in UTF-8, where each character stands for a byte.
        ({"HTTP_HOST": "h", "PATH_INFO": "/gr\xc3\xbc\xc3\x9fe?#%"}, "http://h/gr%C3%BC%C3%9Fe%3F%23%25"),
        ({"HTTP_HOST": b"h", "PATH_INFO": b"/\xff", "QUERY_STRING": b"q=\xe9 \"<"}, "http://h/%FF?q=%E9%20%22%3C"),
        ({"HTTP_HOST": "h", "PATH_INFO": "/\u4e2d"}, "http://h/%3F"),  # a server that violates PEP 3333
    ],
)  # fmt: skip
def test_the_url_is_built_by_the_rules_of_pep_3333(values: Dict[str, Any], url: Optional[str]) -> None:
    assert url_of(**values) == url


def test_long_values_are_truncated() -> None:
    """The limits are those of the schema; a percent-encoded character is not split."""
    context = visit_of(
        environ_of("/" + "\xff" * 5000, HTTP_REFERER="https://r.example/" + "r" * 9000, HTTP_USER_AGENT="M" * 9000)
    ).context
    assert context.address is not None
    assert context.address.url is not None and context.address.url.endswith("%FF")
    assert 4090 < len(context.address.url) <= 4096
    assert len(context.address.referring_url or "") == 4096
    assert len(context.user_agent or "") == 2048


def test_the_context_describes_the_browser_and_the_page() -> None:
    context = visit_of(environ_of(HTTP_USER_AGENT="Mozilla/5.0 \xc3\xa9", HTTP_REFERER="https://r.example/")).context
    assert context.to_dict(by_alias=True, exclude_none=True) == {
        "channel": "web",
        "userAgent": "Mozilla/5.0 é",
        "address": {"url": "http://127.0.0.1/", "referringUrl": "https://r.example/"},
        "browser": {"host": "127.0.0.1"},
        "geo": {"ipAddress": "203.0.113.7"},
        "beacon": False,
    }


@pytest.mark.parametrize(
    ("address", "normalized"),
    [
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("198.51.100.9:4711", "198.51.100.9"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        (b"198.51.100.9", "198.51.100.9"),
        ("", None),
        ("unix:", None),
        ("1.2.3.4\r\nX: y", None),
        ("1.2.3.4.5", None),
        pytest.param("9" * 100000, None, id="long"),
        (None, None),
    ],
)
def test_an_address_is_normalized_and_an_invalid_one_is_ignored(address: Any, normalized: Optional[str]) -> None:
    """The schema refuses invalid addresses."""
    assert address_of(REMOTE_ADDR=address) == normalized


FORWARDED = {
    "HTTP_X_FORWARDED_FOR": "192.0.2.66, 198.51.100.1, 10.0.0.2",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "shop.example",
    "HTTP_HOST": "inner",
}


@pytest.mark.parametrize(
    ("proxies", "address", "url"),
    [
        (0, "203.0.113.7", "http://inner/"),
        (1, "10.0.0.2", "https://shop.example/"),
        (2, "198.51.100.1", "https://shop.example/"),
        (4, "203.0.113.7", "https://shop.example/"),
    ],
)
def test_forwarded_headers_are_used_only_from_trusted_proxies(proxies: int, address: str, url: str) -> None:
    """The proxies add the last entries of ``X-Forwarded-For``. A visitor can forge the entries before them."""
    assert address_of(proxies, **FORWARDED) == address
    assert url_of(trusted_proxies=proxies, **FORWARDED) == url
    assert visit_of(environ_of(**FORWARDED), trusted_proxies=proxies).https is (proxies > 0)


def test_invalid_values_from_a_trusted_proxy_are_ignored() -> None:
    forwarded = {"HTTP_X_FORWARDED_FOR": "1.2.3.4, unknown", "HTTP_X_FORWARDED_PROTO": "gopher", "HTTP_HOST": "inner"}
    assert address_of(1, **forwarded) is None
    assert url_of(trusted_proxies=1, **forwarded, HTTP_X_FORWARDED_HOST="shop.example, <b>") == "http://inner/"


anything = st.one_of(
    st.text(st.characters(max_codepoint=0xFF), max_size=200), st.binary(max_size=200), st.text(max_size=50), st.none()
)
NAMES = ("HTTP_COOKIE", "HTTP_HOST", "HTTP_REFERER", "HTTP_USER_AGENT", "HTTP_X_FORWARDED_FOR", "REMOTE_ADDR",
         "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO", "PATH_INFO", "QUERY_STRING", "SCRIPT_NAME", "SERVER_NAME",
         "SERVER_PORT", "wsgi.url_scheme")  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, anything)), st.integers(0, 3))
def test_no_request_value_causes_an_error(environ: Dict[str, Any], proxies: int) -> None:
    """Target's request can be serialized, and the URL of the page conforms to the schema."""
    visit = visit_of(environ, trusted_proxies=proxies)
    sent = visit.options(DeliveryRequest(context=Context(channel=ChannelType.WEB)))["request"]
    sent.to_str().encode("utf-8")
    address = visit.context.address
    assert address is not None
    assert address.url is None or re.fullmatch(r"https?://[!-~]{1,4088}", address.url)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_every_address_conforms_to_the_schema(address: Any) -> None:
    """``Geo`` validates the address against the schema's pattern."""
    assert address_of(REMOTE_ADDR=str(address))


# The options of a call


def test_a_request_keeps_its_own_context() -> None:
    """The visit adds only missing fields, and does not change the caller's models."""
    given_context = Context(channel=ChannelType.MOBILE, geo=Geo(city="Basel"))
    request = DeliveryRequest(context=given_context)
    context = visit_of(environ_of(HTTP_USER_AGENT="Mozilla/5.0")).options(request)["request"].context
    assert context is not None
    assert (context.channel, context.geo, context.user_agent) == ("mobile", Geo(city="Basel"), "Mozilla/5.0")
    assert given_context.user_agent is None
    assert request.context is given_context


def test_options_of_the_caller_take_precedence_over_those_of_the_visit() -> None:
    """For example, an application can pass its own session id."""
    options = visit_of(environ_of(HTTP_COOKIE="mbox=" + MBOX)).options(session_id="ours", timeout=200)
    assert (options["session_id"], options["timeout"], options["target_cookie"]) == ("ours", 200, MBOX)


def test_an_invalid_request_is_left_to_the_client() -> None:
    """``options`` returns the request unchanged; the call raises the error."""
    visit, request = visit_of(environ_of()), {"execute": {}}
    assert visit.options(request)["request"] is request  # type: ignore[call-overload]
    parts: Any = {"channel": "web"}
    assert visit.options(DeliveryRequest(context=parts))["request"].context is parts


def test_all_calls_of_a_request_share_a_session() -> None:
    """Without a cookie, the calls have the session id that the visit has generated."""
    visit = visit_of(environ_of())
    assert visit.options()["session_id"] == visit.options()["session_id"] == visit.session_id
    assert visit.session_id != visit_of(environ_of()).session_id


def test_the_second_call_sends_the_cookie_of_the_first_answer() -> None:
    """This lets the edge recognize the visitor."""
    visit = visit_of(environ_of(HTTP_COOKIE="mbox=old; mboxEdgeCluster=34"))
    visit.remember(envelope_with())
    assert visit.options()["target_cookie"] == MBOX
    assert visit.options()["target_location_hint"] == "35"


# Cookies of the response


@pytest.mark.parametrize(
    ("style", "values", "attributes"),
    [
        (CookieOptions(), {}, "Max-Age=60; Path=/; SameSite=Lax"),
        (CookieOptions(), {"wsgi__url_scheme": "https"}, "Max-Age=60; Path=/; Secure; SameSite=Lax"),
        (CookieOptions(secure=True), {}, "Max-Age=60; Path=/; Secure; SameSite=Lax"),
        (
            CookieOptions("shop.example", "None", http_only=True, secure=True),
            {"wsgi__url_scheme": "https"},
            "Max-Age=60; Path=/; Domain=shop.example; Secure; HttpOnly; SameSite=None",
        ),
    ],
)
def test_each_cookie_is_set_with_its_attributes(style: CookieOptions, values: Dict[str, Any], attributes: str) -> None:
    browser = Browser(remembering_application(envelope_with()), cookies=style)
    assert browser.get_page(**values) == b"ok"
    assert browser.cookies() == [f"mbox={MBOX}; {attributes}", "mboxEdgeCluster=35; " + attributes]
    assert browser.starts[-1][1][:1] == PLAIN


def test_no_cookies_are_set_without_an_answer() -> None:
    """The application's headers are unchanged."""
    browser = Browser(remembering_application())
    browser.get_page(HTTP_COOKIE="mbox=" + MBOX)
    assert browser.starts == [("200 OK", PLAIN)]


def test_the_last_of_several_answers_counts() -> None:
    """There is one header for each name."""
    browser = Browser(
        remembering_application(envelope_with("first", "34"), envelope_with("second"), envelope_with("third", None))
    )
    browser.get_page()
    assert [cookie.partition(";")[0] for cookie in browser.cookies()] == ["mbox=third", "mboxEdgeCluster=35"]


def test_a_cookie_of_the_application_is_not_set_twice() -> None:
    """The middleware does not set a cookie that the application sets itself."""

    def application(environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[ENVIRON_KEY].remember(envelope_with())
        start_response("200 OK", [*PLAIN, ("set-cookie", "mbox=own; Path=/"), ("Set-Cookie", "other=1")])
        return [b""]

    browser = Browser(application)
    browser.get_page()
    assert [each.partition(";")[0] for each in browser.cookies()] == ["other=1", "mboxEdgeCluster=35"]
    assert ("set-cookie", "mbox=own; Path=/") in browser.starts[-1][1]


@pytest.mark.parametrize(
    "value",
    ["a\r\nSet-Cookie: b=1", "a\n", "a\x00", "a;b", "a b", 'a"', "a,b", "a\\", "é", "\u4e2d", "", None, 7, b"a",
     pytest.param("9" * 4097, id="long")],
)  # fmt: skip
def test_an_answer_cannot_inject_headers(value: Any) -> None:
    """A cookie with an invalid value is not set, but the other cookie is set."""
    browser = Browser(remembering_application(envelope_with(value)))
    browser.get_page()
    assert browser.cookies() == ["mboxEdgeCluster=35; Max-Age=60; Path=/; SameSite=Lax"]


@pytest.mark.parametrize("answer", [None, {}, TargetDeliveryResponse(), {"target_cookie": "mbox"}, "text", 7,
                                    envelope_with(max_age="60; Domain=evil"), envelope_with(max_age=None)])  # fmt: skip
def test_an_answer_without_valid_cookies_sets_none(answer: Any) -> None:
    """``remember`` ignores invalid values, such as an error that an application passes."""
    browser = Browser(remembering_application(answer))
    browser.get_page()
    assert browser.cookies() == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"cookies": CookieOptions(domain="a;b")},
        {"cookies": CookieOptions(domain="a\r\nX: y")},
        {"cookies": CookieOptions(same_site="lax; HttpOnly")},
        {"cookies": CookieOptions(same_site="None")},
        {"cookies": CookieOptions(same_site="None", secure=False)},
        {"trusted_proxies": -1},
        {"trusted_proxies": "1"},
    ],
)
def test_an_invalid_argument_raises_at_once(arguments: Dict[str, Any]) -> None:
    """The constructor raises, not the first request."""
    with pytest.raises(OptionError) as caught:
        TargetMiddleware(remembering_application(), **arguments)
    assert caught.value.option in ("domain", "same_site", "trusted_proxies")


# PEP 3333


class Body:
    """A response body that counts the calls of ``close``."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"o", b"k"])

    def close(self) -> None:
        self.closed += 1


def test_the_body_is_returned_unchanged() -> None:
    """The middleware returns the same object, so that ``close``, ``len`` and ``wsgi.file_wrapper`` work."""
    body = Body()

    def application(environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(PLAIN))
        return body

    assert TargetMiddleware(application)(environ_of(), lambda *_: lambda _: None) is body
    assert Browser(application).get_page() == b"ok"
    assert body.closed == 1


def test_an_application_may_call_start_response_late() -> None:
    """A generator calls ``start_response`` only when the server asks for the first part of the body."""

    def application(environ: Dict[str, Any], start_response: Any) -> Iterator[bytes]:
        environ[ENVIRON_KEY].remember(envelope_with())
        start_response("200 OK", list(PLAIN))
        yield b"ok"

    browser = Browser(application)
    assert browser.get_page() == b"ok"
    assert len(browser.cookies()) == 2


def test_an_application_may_use_the_write_callable() -> None:
    """``start_response`` returns a function that writes a part of the body."""

    def application(environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[ENVIRON_KEY].remember(envelope_with())
        write = start_response("200 OK", list(PLAIN))
        write(b"o")
        return [b"k"]

    browser = Browser(application)
    assert browser.get_page() == b"ok"
    assert len(browser.cookies()) == 2


def test_an_error_page_sets_the_cookies() -> None:
    """The application calls ``start_response`` again with ``exc_info``; cookies stored since the first call are set."""
    seen: List[Any] = []

    def application(environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(PLAIN))
        environ[ENVIRON_KEY].remember(envelope_with())
        try:
            raise ValueError("after start_response was called")
        except ValueError:
            start_response("500 Oops", list(PLAIN), sys.exc_info())
        return [b"sorry"]

    def start(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
        seen.append((status, len(headers), exc_info and exc_info[0]))
        return lambda _: None

    assert list(TargetMiddleware(application)(environ_of(), start)) == [b"sorry"]
    assert seen == [("200 OK", 1, None), ("500 Oops", 5, ValueError)]
    assert Browser(application).get_page() == b"sorry"


def test_the_visit_and_the_environ_form_no_reference_cycle() -> None:
    """The request is freed at its end, without the garbage collector."""
    environ = environ_of()
    list(TargetMiddleware(remembering_application())(environ, lambda *_: lambda _: None))
    visit = environ[ENVIRON_KEY]
    assert not [value for value in vars(visit).values() if value is environ]
    assert ENVIRON_KEY not in visit._environ


def test_a_late_cookie_is_logged_and_not_set(caplog: pytest.LogCaptureFixture) -> None:
    """The log lines do not show the values of the cookies."""
    visits: List[Visit] = []

    def application(environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        visits.append(environ[ENVIRON_KEY])
        start_response("200 OK", list(PLAIN))
        return [b"ok"]

    browser = Browser(application)
    browser.get_page()
    with caplog.at_level(logging.DEBUG, "adobe.target"):
        visits[0].remember(envelope_with())
    assert browser.cookies() == []
    assert [record.name for record in caplog.records] == ["adobe.target"] * 2
    assert "#0001" not in caplog.text and "mbox" in caplog.text


# With a client


@pytest.fixture
def edge() -> Iterator[LocalEdge]:
    with LocalEdge() as edge:
        yield edge


REQUEST = DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab")]))


def shop(client: TargetClient, *names: str) -> Callable[..., Iterable[bytes]]:
    """Return an application that uses callbacks to get offers and the attributes of ``names``."""

    def application(environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        visit: Visit = environ[ENVIRON_KEY]
        answers: List[Any] = []
        errors: List[Any] = []
        client.get_offers(visit.options(REQUEST, callback=answers.append, err_callback=errors.append)).wait()
        if names:
            client.get_attributes(
                list(names), visit.options(callback=answers.append, err_callback=errors.append)
            ).wait()
        start_response("502 Bad Gateway" if errors else "200 OK", list(PLAIN))
        return [answers[0].response.execute.mboxes[0].options[0].content.encode() if answers else b"default"]

    return application


@pytest.mark.server
def test_a_returning_visitor_is_recognized(edge: LocalEdge) -> None:
    """The cookies of answers that were passed to callbacks are set, and identify the visitor."""
    with TargetClient.create(options_for(edge)) as client:
        browser = Browser(shop(client, "demo-engineering-flags"))
        first = browser.get_page(HTTP_USER_AGENT="Mozilla/5.0", HTTP_HOST="shop.example", QUERY_STRING="q=1")
        set_first = [cookie.partition(";")[0] for cookie in browser.cookies()]
        assert [cookie.partition("=")[0] for cookie in set_first] == ["mbox", "mboxEdgeCluster"]
        assert browser.get_page(HTTP_COOKIE="; ".join(set_first)) == first

    bodies = [request.body for request in edge.requests]
    assert bodies[0]["context"]["userAgent"] == "Mozilla/5.0"
    assert bodies[0]["context"]["address"]["url"] == "http://shop.example/?q=1"
    assert bodies[0]["context"]["geo"]["ipAddress"] == "203.0.113.7"
    ids = {body["id"]["tntId"] for body in bodies[1:]}  # the edge creates the id in its first answer
    sessions = {request.query["sessionId"] for request in edge.requests}
    assert len(bodies) == 4
    assert len(ids) == len(sessions) == 1


@pytest.mark.server
def test_the_cookies_of_returned_answers_are_stored(edge: LocalEdge) -> None:
    """Both an envelope and the result of ``get_attributes`` can be passed to ``remember``."""
    visit = visit_of(environ_of())
    with TargetClient.create(options_for(edge)) as client:
        attributes = visit.remember(client.get_attributes(["demo-engineering-flags"], visit.options()))
        assert attributes.get_value("demo-engineering-flags", "searchProviderId") == 143
        assert len(visit.cookie_headers()) == 2
        envelope = visit.remember(client.get_offers(visit.options(REQUEST)))
    assert envelope.target_cookie is not None
    assert visit.target_cookie == envelope.target_cookie["value"]


@pytest.mark.server
def test_an_answer_after_the_response_sets_no_cookie(edge: LocalEdge) -> None:
    """The call itself succeeds."""
    visits: List[Visit] = []
    done: List[Any] = []
    go = threading.Event()

    def application(environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        visits.append(environ[ENVIRON_KEY])
        client.get_offers({**offers(), "callback": lambda _: go.wait(20)})  # occupies the only worker
        client.get_offers(visits[0].options(REQUEST, callback=done.append))
        start_response("200 OK", list(PLAIN))
        return [b"ok"]

    with TargetClient.create(options_for(edge, max_workers=1)) as client:
        browser = Browser(application)
        assert browser.get_page() == b"ok"
        go.set()
        assert eventually(lambda: done)
    assert browser.cookies() == []
    assert visits[0].target_cookie is not None


@pytest.mark.server
def test_the_error_of_a_call_is_passed_to_err_callback() -> None:
    """The visit passes the application's ``err_callback`` on unchanged."""
    with TargetClient.create({
        "client": "acmeclient", "organization_id": "1234567890@AdobeOrg", "server_domain": "127.0.0.1:9",
        "secure": False, "retries": 1,
    }) as client:  # fmt: skip
        browser = Browser(shop(client))
        assert browser.get_page() == b"default"
    assert browser.starts == [("502 Bad Gateway", [*PLAIN, *PERSONAL])]


@pytest.mark.server
def test_threads_do_not_mix_their_visitors(edge: LocalEdge) -> None:
    """With one client and one application, each thread gets back the device id that it sent."""
    mixed: List[Any] = []

    def visitor(number: int, application: Callable[..., Iterable[bytes]]) -> None:
        for turn in range(10):
            device = f"visitor{number}turn{turn}.35_0"
            started: List[Headers] = []
            environ = environ_of(HTTP_COOKIE=f"mbox=session#{device}#9999999999|PC#{device}#9999999999")
            list(application(environ, lambda _, headers, started=started: started.append(headers)))
            found = re.findall(r"#(visitor\d+turn\d+\.35_0)#", " ".join(value for _, value in started[0]))
            if found != [device, device]:
                mixed.append((device, found))

    with TargetClient.create(options_for(edge)) as client:
        application = TargetMiddleware(shop(client))
        threads = [threading.Thread(target=visitor, args=(number, application)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert mixed == []
    assert len(edge.requests) == 80
