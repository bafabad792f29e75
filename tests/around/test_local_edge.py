"""The local edge over HTTP: its answers match the schema of the API, and it records requests."""

import gzip
import http.client
import json
import socket
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set

import pytest

from target_python_sdk.errors import TargetError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.artifact_builder import make_token
from tests.around.openapi import Schema

pytestmark = pytest.mark.server

PATH = "/rest/v1/delivery?imsOrgId=1234567890%40AdobeOrg&sessionId=s1"
CONTEXT = {"channel": "web"}
#: Visitors in the experiences A and B of a1-serverside-ab.
IN_A, IN_B = "visitor-1.28_0", "visitor-3.28_0"


class Answer(NamedTuple):
    """An HTTP answer; ``json`` is its decompressed and parsed body."""

    status: int
    headers: Dict[str, str]
    json: Any


class Caller:
    """A keep-alive connection to an edge."""

    def __init__(self, edge: LocalEdge) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, headers: Optional[Dict[str, str]] = None) -> Answer:
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body)
        self.connection.request(method, path, payload, headers or {})
        response = self.connection.getresponse()
        data = response.read()
        fields = {name.lower(): value for name, value in response.getheaders()}
        if fields.get("content-encoding") == "gzip":
            data = gzip.decompress(data)
        is_json = fields.get("content-type", "").startswith("application/json")
        return Answer(response.status, fields, json.loads(data) if is_json else data.decode())

    def deliver(self, **request: Any) -> Dict[str, Any]:
        answer = self.ask("POST", PATH, {"context": CONTEXT, **request})
        assert answer.status == 200, answer
        found = answer.json
        assert isinstance(found, dict)
        return found


@pytest.fixture()
def threads_before() -> Set[threading.Thread]:
    return set(threading.enumerate())


@pytest.fixture()
def edge() -> Iterator[LocalEdge]:
    with LocalEdge() as edge:
        yield edge


@pytest.fixture()
def caller(edge: LocalEdge) -> Iterator[Caller]:
    caller = Caller(edge)
    yield caller
    caller.connection.close()


def mbox(name: str, index: int = 0) -> Dict[str, Any]:
    """Return the request for one mbox."""
    return {"mboxes": [{"index": index, "name": name}]}


#: The display token and the click token of the experience "Bestsellers" in the mbox product-recommendations.
DISPLAY, CLICK = (
    make_token("display", 1114, 0, "product-recommendations"),
    make_token("click", 1114, 0, "product-recommendations", 0),
)
NOTIFICATIONS: List[Dict[str, Any]] = [
    {
        "id": "n1",
        "type": "display",
        "timestamp": 1700000000000,
        "mbox": {"name": "product-recommendations"},
        "tokens": [DISPLAY],
    }
]
EVERYTHING: Dict[str, Any] = {
    "requestId": "r-1",
    "id": {"tntId": IN_A, "customerIds": [{"id": "7", "integrationCode": "crm", "authenticatedState": "unknown"}]},
    "trace": {"authorizationToken": "local"},
    "experienceCloud": {"analytics": {"logging": "client_side"}},
    "execute": {"pageLoad": {}, **mbox("a1-serverside-ab", 3)},
    "prefetch": {"pageLoad": {}, "views": [{}], **mbox("demo-engineering-flags")},
    "notifications": NOTIFICATIONS,
}
REQUESTS: Dict[str, Dict[str, Any]] = {
    "nothing": {},
    "an mbox": {"execute": mbox("a1-serverside-ab")},
    "an mbox without activities": {"execute": mbox("unknown")},
    "a page load": {"execute": {"pageLoad": {}}},
    "prefetched mboxes": {"prefetch": mbox("product-recommendations")},
    "prefetched views": {"prefetch": {"views": [{"name": "checkout", "key": "k"}, {"name": "none"}]}},
    "a notification": {"notifications": NOTIFICATIONS},
    "everything": EVERYTHING,
}


@pytest.mark.parametrize("name", REQUESTS)
def test_answers_match_the_schema(shared: Path, caller: Caller, name: str) -> None:
    schema = Schema(shared, "DeliveryResponse")
    for tnt_id in (IN_A, IN_B, "outside.28_0"):
        schema.check(caller.deliver(**{"id": {"tntId": tnt_id}, **REQUESTS[name]}))


def test_errors_match_the_schema(shared: Path, caller: Caller) -> None:
    Schema(shared, "UnexpectedError").check(caller.ask("POST", PATH, b"{").json)


def test_an_answer_contains_the_client_the_visitor_and_the_host(caller: Caller) -> None:
    answer = caller.deliver(requestId="r-7", id={"tntId": IN_A})
    assert answer == {
        "status": 200,
        "requestId": "r-7",
        "client": "acmeclient",
        "id": {"tntId": IN_A},
        "edgeHost": "mboxedge35.tt.omtrdc.net",
    }


def test_an_answer_adds_the_ids_that_the_request_lacks(caller: Caller) -> None:
    first, second = caller.deliver(), caller.deliver()
    assert len(first["requestId"]) == 36
    assert first["requestId"] != second["requestId"]
    assert first["id"]["tntId"].endswith(".35_0")


def test_an_executed_mbox_has_an_offer_and_a_reason(caller: Caller) -> None:
    (found,) = caller.deliver(id={"tntId": IN_A}, execute=mbox("a1-serverside-ab", 3))["execute"]["mboxes"]
    assert found == {
        "index": 3,
        "name": "a1-serverside-ab",
        "options": [
            {
                "type": "html",
                "content": "<div>Hello from experience A</div>",
                "responseTokens": {
                    "activity.decisioningMethod": "server-side",
                    "activity.id": "1111",
                    "activity.name": "Serverside AB",
                    "experience.id": "0",
                    "experience.name": "A",
                    "experience.reason": "bucket 40.40 falls in A (0 to 50)",
                    "location.name": "a1-serverside-ab",
                },
            }
        ],
        "metrics": [{"type": "click", "eventToken": "Y2xpY2s6MTExMTowOmExLXNlcnZlcnNpZGUtYWI6MA=="}],
    }


def test_different_visitors_get_different_experiences(caller: Caller) -> None:
    contents = [
        caller.deliver(id={"tntId": tnt_id}, execute=mbox("a1-serverside-ab"))["execute"]["mboxes"][0]["options"][0][
            "content"
        ]
        for tnt_id in (IN_A, IN_B, IN_A)
    ]
    assert contents[0] == contents[2] != contents[1]


def test_an_mbox_without_activities_has_no_options(caller: Caller) -> None:
    answer = caller.deliver(execute=mbox("unknown", 5))
    assert answer["execute"] == {"mboxes": [{"index": 5, "name": "unknown"}]}


def test_a_prefetched_mbox_has_a_state_and_event_tokens(caller: Caller) -> None:
    (found,) = caller.deliver(prefetch=mbox("demo-engineering-flags"))["prefetch"]["mboxes"]
    assert found["state"]
    assert found["options"][0]["eventToken"]
    assert found["options"][0]["type"] == "json"


def test_views_are_requested_by_name_or_all_at_once(caller: Caller) -> None:
    by_name = caller.deliver(prefetch={"views": [{"name": "checkout", "key": "k"}, {"name": "none"}]})
    assert [(view["name"], view["key"]) for view in by_name["prefetch"]["views"]] == [("checkout", "k")]
    everything = caller.deliver(prefetch={"views": [{}]})
    assert [view["name"] for view in everything["prefetch"]["views"]] == ["checkout"]


def test_default_content_is_an_option_without_content(caller: Caller) -> None:
    experiences = [{"name": "Default", "share": 100}]
    activities = {"activities": [{"id": 1, "locations": ["m"], "experiences": experiences}]}
    with LocalEdge(activities) as edge:
        other = Caller(edge)
        (found,) = other.deliver(execute=mbox("m"))["execute"]["mboxes"]
        other.connection.close()
    assert list(found["options"][0]) == ["responseTokens"]


def test_an_mbox_gets_the_first_activity_and_a_page_load_gets_all() -> None:
    activities = [
        {"id": number, "locations": ["m", "target-global-mbox"], "experiences": [{"offer": {"html": str(number)}}]}
        for number in (1, 2)
    ]
    with LocalEdge({"activities": activities}) as edge:
        other = Caller(edge)
        executed = other.deliver(execute={"pageLoad": {}, **mbox("m")})["execute"]
        other.connection.close()
    assert [option["content"] for option in executed["mboxes"][0]["options"]] == ["1"]
    assert [option["content"] for option in executed["pageLoad"]["options"]] == ["1", "2"]


def test_a_trace_contains_the_evaluated_activity_and_the_requested_mbox(caller: Caller) -> None:
    trace = caller.deliver(
        id={"tntId": "outside"}, execute=mbox("product-recommendations"), trace={"authorizationToken": "local"}
    )["execute"]["mboxes"][0]["trace"]
    assert trace["evaluatedCampaignTargets"][0]["campaignId"] == 1114
    assert trace["evaluatedCampaignTargets"][0]["reason"].startswith("bucket ")
    assert trace["request"]["mbox"] == {"index": 0, "name": "product-recommendations", "type": "execute"}


def test_client_side_analytics_have_a_payload(caller: Caller) -> None:
    (found,) = caller.deliver(
        id={"tntId": IN_B},
        execute=mbox("a1-serverside-ab"),
        experienceCloud={"analytics": {"logging": "client_side"}},
    )["execute"]["mboxes"]
    assert found["analytics"] == {"payload": {"pe": "tnt", "tnta": "1111:1:0|2"}}


def test_notifications_are_answered_recorded_and_listed(edge: LocalEdge, caller: Caller) -> None:
    sent = NOTIFICATIONS
    assert caller.deliver(notifications=sent)["notifications"] == [{"id": "n1"}]
    assert edge.notifications == sent
    assert caller.ask("GET", "/notifications").json == {"notifications": sent}


def test_displays_and_clicks_are_recorded_with_their_experience(edge: LocalEdge, caller: Caller) -> None:
    click = {**NOTIFICATIONS[0], "id": "n2", "type": "click", "tokens": [CLICK]}
    caller.deliver(notifications=[*NOTIFICATIONS, click, {**click, "id": "profile update", "tokens": None}])
    event = ("product-recommendations", "Product recommendations", "Bestsellers")
    assert (edge.displays, edge.clicks) == ([("display", *event)], [("click", *event)])

    caller.deliver(id={"tntId": IN_A}, execute={"pageLoad": {}, **mbox("a1-serverside-ab")}, prefetch=mbox("unknown"))
    assert [(shown.location, shown.experience) for shown in edge.displays[1:]] == [
        ("target-global-mbox", "Summer"),
        ("a1-serverside-ab", "A"),
    ]
    assert len(edge.clicks) == 1


WRONG_NOTIFICATIONS = [
    ({"tokens": ["t"]}, "notifications[0].tokens[0]: unknown token; this edge has not sent it"),
    ({"tokens": [None]}, "notifications[0].tokens[0]: expected a non-empty string, got None"),
    ({"tokens": "t"}, "notifications[0].tokens: expected a list"),
    (
        {"type": "click"},
        "tokens[0]: this is a display token of product-recommendations, but the notification is of type 'click'",
    ),
    (
        {"tokens": [DISPLAY, CLICK]},
        "tokens[1]: this is a click token of product-recommendations, but the notification is of type 'display'",
    ),
    (
        {"timestamp": 1700000000},
        "notifications[0].timestamp: the timestamp is in 1970; expected milliseconds since 1970, got 1700000000, which",
    ),
    ({"timestamp": 1700000000.5}, "notifications[0].timestamp: expected milliseconds since 1970, got 1700000000.5"),
    (
        {"timestamp": 1},
        "notifications[0].timestamp: the timestamp is in 1970; expected milliseconds since 1970, got 1",
    ),
    (
        {"timestamp": -5},
        "notifications[0].timestamp: the timestamp is before 1970; expected milliseconds since 1970, got -5",
    ),
    ({"mbox": None}, "notifications[0]: it has no mbox, view or page_load"),
    (
        {"mbox": {"name": "other"}},
        "tokens[0]: this token belongs to 'product-recommendations', but the notification is of mbox 'other'",
    ),
    ({"timestamp": True}, "notifications[0].timestamp: expected milliseconds since 1970, got True"),
    ({"id": ""}, "notifications[0].id: expected a non-empty string, got ''"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG_NOTIFICATIONS)
def test_a_wrong_notification_is_rejected(
    edge: LocalEdge, caller: Caller, changes: Dict[str, Any], message: str
) -> None:
    answer = caller.ask("POST", PATH, {"context": CONTEXT, "notifications": [{**NOTIFICATIONS[0], **changes}]})
    assert answer.status == 400
    assert message in answer.json["message"]
    assert (edge.notifications, edge.displays, edge.clicks) == ([], [], [])


def test_tokens_of_earlier_activities_stay_known(edge: LocalEdge, caller: Caller) -> None:
    edge.load({"activities": []})
    caller.deliver(notifications=NOTIFICATIONS)
    assert [event.experience for event in edge.displays] == ["Bestsellers"]


def test_a_beacon_is_recorded_and_answered_without_a_body(edge: LocalEdge, caller: Caller) -> None:
    body = {"context": {"channel": "web", "beacon": True}, "notifications": NOTIFICATIONS}
    answer = caller.ask("POST", PATH, body)
    assert (answer.status, answer.json) == (204, "")
    assert "content-length" not in answer.headers
    assert len(edge.notifications) == 1


REJECTED = [
    (PATH, b"{", "request: expected an object, got None"),
    (PATH, b"[]", "request: expected an object, got an empty list"),
    (PATH, b'{"id": "\xff"}', "request: expected an object, got None"),
    (PATH, b"[" * 100000, "request: expected an object, got None"),
    (PATH, {}, "context.channel: expected 'web' or 'mobile', got None"),
    (PATH, {"context": {}}, "context.channel: expected 'web' or 'mobile'"),
    (PATH, {"context": CONTEXT, "id": []}, "id: expected an object, got an empty list"),
    (PATH, {"context": CONTEXT, "id": {"tntId": 7}}, "id.tntId: expected a non-empty string, got 7"),
    (PATH, {"context": CONTEXT, "execute": []}, "execute: expected an object, got an empty list"),
    (PATH, {"context": CONTEXT, "execute": {"mboxes": {}}}, "execute.mboxes: expected a list, got an empty dict"),
    (PATH, {"context": CONTEXT, "execute": {"mboxes": [None]}}, "execute.mboxes[0].name: expected a non-empty string"),
    (PATH, {"context": CONTEXT, "prefetch": {"mboxes": [{}]}}, "prefetch.mboxes[0].name: expected a non-empty string"),
    (PATH, {"context": CONTEXT, "prefetch": {"views": [1]}}, "prefetch.views[0]: expected an object, got an int"),
    (PATH, {"context": CONTEXT, "prefetch": {"views": [None]}}, "prefetch.views[0]: expected an object, got None"),
    (
        PATH,
        {"context": CONTEXT, "prefetch": {"views": [{"name": [1]}]}},
        "prefetch.views[0].name: expected a non-empty",
    ),
    (PATH, {"context": CONTEXT, "execute": {"pageLoad": 7}}, "pageLoad"),
    (
        PATH,
        {"context": CONTEXT, "notifications": [{"id": "n", "type": "view"}]},
        "notifications[0].type: expected 'click' or",
    ),
    (PATH, {"context": CONTEXT, "notifications": [{"id": "n", "type": "click"}]}, "notifications[0].timestamp: "),
    (PATH, {"context": CONTEXT, "experienceCloud": 1}, "experienceCloud: expected an object, got an int"),
    ("/rest/v1/delivery?sessionId=s", {"context": CONTEXT}, "missing query parameter 'imsOrgId'"),
    ("/rest/v1/delivery?imsOrgId=o&sessionId=", {"context": CONTEXT}, "missing query parameter 'sessionId'"),
]


@pytest.mark.parametrize(("path", "body", "message"), REJECTED)
def test_a_request_that_the_api_would_reject_is_rejected(
    caller: Caller, path: str, body: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = caller.ask("POST", path, body)
    assert (answer.status, answer.json["status"]) == (400, 400)
    assert message in answer.json["message"]
    assert f"Rejected a delivery request: {answer.json['message']}" in caplog.text
    assert caller.ask("GET", "/").status == 200  # the connection is still usable


def test_a_rejected_request_records_no_notification(edge: LocalEdge, caller: Caller) -> None:
    good, bad = NOTIFICATIONS[0], {"id": "n"}
    assert caller.ask("POST", PATH, {"context": CONTEXT, "notifications": [good, bad]}).status == 400
    assert edge.notifications == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/elsewhere", 404),
        ("POST", "/rest/v1/deliver", 404),
        ("GET", "/rest/v1/delivery", 405),
        ("PUT", "/rest/v1/delivery", 405),
        ("DELETE", "/notifications", 405),
        ("BREW", "/", 501),
    ],
)
def test_other_paths_and_methods_are_errors_in_json(caller: Caller, method: str, path: str, status: int) -> None:
    answer = caller.ask(method, path)
    assert (answer.status, answer.json["status"]) == (status, status)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/", {"Accept": "text/html"}),
        ("/v1/geo", {}),
        ("/page/page.js", {"Accept-Encoding": "gzip"}),
        ("/events", {}),
    ],
)
def test_head_returns_the_headers_of_get(caller: Caller, path: str, headers: Dict[str, str]) -> None:
    caller.connection.request("HEAD", path, headers=headers)
    response = caller.connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    assert response.headers["Content-Type"]
    if path != "/events":  # GET would not end
        assert response.headers["Content-Length"] == caller.ask("GET", path, None, headers).headers["content-length"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/rest/v1/delivery", "POST"),
        ("POST", "/notifications", "GET, HEAD"),
        ("PUT", "/page/content", "GET, HEAD"),
        ("GET", "/page/visitor", "POST"),
    ],
)
def test_a_wrong_method_is_answered_with_the_allowed_methods(
    caller: Caller, method: str, path: str, allowed: str
) -> None:
    answer = caller.ask(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "many"}, 400),
        ({"Content-Length": "9" * 5000}, 413),
        ({"Content-Length": "99999999"}, 413),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_an_unreadable_body_is_rejected(caller: Caller, headers: Dict[str, str], status: int) -> None:
    assert caller.ask("POST", PATH, None, headers).status == status


def test_the_start_page_lists_the_activities(caller: Caller) -> None:
    answer = caller.ask("GET", "/")
    assert "1111 Serverside AB: a1-serverside-ab (A 0 to 50, B 50 to 100)" in answer.json


def test_requests_are_recorded_unchanged(edge: LocalEdge, caller: Caller) -> None:
    caller.ask("POST", PATH + "&version=2.9.0", {"context": CONTEXT}, {"X-EXC-SDK": "AdobeTargetPython"})
    (request,) = edge.requests
    assert (request.method, request.path, request.connection) == ("POST", "/rest/v1/delivery", 1)
    assert request.query == {"imsOrgId": "1234567890@AdobeOrg", "sessionId": "s1", "version": "2.9.0"}
    assert request.headers["x-exc-sdk"] == "AdobeTargetPython"
    assert request.body == {"context": CONTEXT}


def test_connections_are_kept_alive_and_counted(edge: LocalEdge, caller: Caller) -> None:
    caller.deliver()
    caller.deliver()
    other = Caller(edge)
    other.deliver()
    other.connection.close()
    assert edge.connections == 2
    assert [request.connection for request in edge.requests] == [1, 1, 2]


def test_large_answers_are_compressed_if_the_client_accepts_it(caller: Caller) -> None:
    many = {"mboxes": [{"index": index, "name": "a1-serverside-ab"} for index in range(20)]}
    body = {"context": CONTEXT, "id": {"tntId": IN_A}, "requestId": "r", "execute": many}
    packed = caller.ask("POST", PATH, body, {"Accept-Encoding": "br;q=1.0, gzip;q=0.8"})
    plain = caller.ask("POST", PATH, body, {"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json == plain.json
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
    small = caller.ask("POST", PATH, {"context": CONTEXT}, {"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers


def test_expect_100_continue_is_answered_at_once(edge: LocalEdge) -> None:
    with socket.create_connection(("127.0.0.1", edge.port), timeout=60) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_stop_closes_keep_alive_connections(
    threads_before: Set[threading.Thread], caller: Caller, edge: LocalEdge
) -> None:
    caller.deliver()
    edge.stop()
    edge.stop()
    started = set(threading.enumerate()) - threads_before
    assert not [thread for thread in started if thread.name == "target-local-edge"]
    with pytest.raises((http.client.HTTPException, OSError)):
        caller.ask("GET", "/")
    assert edge.connections == 1


def test_an_edge_restarts_on_the_same_port(edge: LocalEdge) -> None:
    port = edge.port
    edge.stop()
    edge.start()
    caller = Caller(edge)
    caller.deliver()
    caller.connection.close()
    assert edge.port == port
    assert "serving" in repr(edge)


def test_each_start_logs_the_address(caplog: pytest.LogCaptureFixture) -> None:
    edge = LocalEdge()
    with caplog.at_level("INFO", logger="adobe.target.local_edge"):
        for _ in range(2):
            with edge:
                edge.start()
    assert [record.getMessage() for record in caplog.records if record.levelname == "INFO"] == [
        f"Serving on http://{edge.domain}"
    ] * 2


def test_many_concurrent_visitors_are_answered(edge: LocalEdge) -> None:
    def visit() -> None:
        caller = Caller(edge)
        for number in range(20):
            request_id = f"{threading.get_ident()}-{number}"
            assert caller.deliver(requestId=request_id)["requestId"] == request_id
        caller.connection.close()
        finished.append(1)

    finished: List[int] = []
    threads = [threading.Thread(target=visit) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(finished) == 16
    assert len(edge.requests) == 320
    assert edge.connections == 16


def test_each_edge_records_only_its_own_requests() -> None:
    with LocalEdge() as first, LocalEdge() as second:
        caller = Caller(first)
        caller.deliver()
        caller.connection.close()
        assert (len(first.requests), len(second.requests)) == (1, 0)


def test_an_edge_has_no_address_before_it_starts() -> None:
    edge = LocalEdge()
    assert repr(edge) == "<LocalEdge 127.0.0.1:0 stopped>"
    with pytest.raises(TargetError, match=r"^The local edge has no port yet\. Call start\(\) first, or use"):
        _ = edge.domain
    with edge:
        domain = edge.domain
    assert edge.domain == domain
    assert LocalEdge(port=8080).domain == "127.0.0.1:8080"


def test_a_port_in_use_is_an_error(edge: LocalEdge) -> None:
    with pytest.raises(OSError):
        LocalEdge(port=edge.port).start()
