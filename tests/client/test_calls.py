"""``get_offers``, ``get_attributes`` and ``send_notifications`` against the local edge and other test servers."""

import copy
import datetime
import gzip
import http.client
import logging
import pickle
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from target_python_sdk import AuthState, TargetClient, TargetDeliveryResponse
from target_python_sdk.delivery import exchange
from target_python_sdk.errors import AttributeNotFound, ClientClosed
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, answer, replies, response
from target_python_sdk.types import (
    Context,
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    MboxRequest,
    Notification,
    NotificationMbox,
    Order,
    PrefetchRequest,
    RequestDetails,
    ViewRequest,
    VisitorId,
)
from target_python_sdk.version import __version__
from tests.support import ANSWER, ANSWER_BYTES, client_of, content, head_of, offers

pytestmark = pytest.mark.server

FLAGS = {"cdnHostname": "cdn.cloud.corp.net", "searchProviderId": 143, "hasLegacyAccess": False}


@pytest.fixture(scope="module")
def edge():
    with LocalEdge() as running:
        yield running


@pytest.fixture
def client(edge):
    with client_of(edge) as running_client:
        yield running_client


def ab(**fields):
    """Return the options of a call for the mbox of the local edge's A/B activity."""
    return {"request": DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab")]), **fields)}


# The request on the wire


def test_a_request_has_the_path_of_the_api_and_the_session_in_its_query(edge, client):
    client.get_offers({**ab(), "session_id": "a&b=c#d"})
    request = edge.requests[-1]
    assert (request.method, request.path) == ("POST", "/rest/v1/delivery")
    assert request.query == {"imsOrgId": "1234567890@AdobeOrg", "sessionId": "a&b=c#d"}


def test_the_option_version_is_the_last_query_parameter():
    with SocketServer(answer(ANSWER)) as server, client_of(server, version="2.10.0") as client:
        client.get_offers({**offers(), "session_id": "s"})
    first = head_of(server.requests[0])[""]
    assert first == "POST /rest/v1/delivery?imsOrgId=1234567890%40AdobeOrg&sessionId=s&version=2.10.0 HTTP/1.1"


def test_b11_the_headers_name_this_sdk_and_ask_for_gzip():
    with SocketServer(answer(ANSWER)) as server, client_of(server) as client:
        client.get_offers(offers())
        client.get_offers(offers())
    heads = [head_of(request) for request in server.requests]
    ids = {head.pop("x-request-id") for head in heads}
    assert len(ids) == 2
    length = heads[0].pop("content-length")
    assert int(length) == len(server.requests[0].partition(b"\r\n\r\n")[2])
    assert heads[0].pop("")
    assert heads[0] == {
        "host": server.domain,
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "user-agent": "AdobeTargetPython/" + __version__,
        "x-exc-sdk": "AdobeTargetPython",
        "x-exc-sdk-version": __version__,
    }


def test_a_compressed_answer_is_read():
    body = gzip.compress(ANSWER_BYTES)
    with SocketServer(answer(body, headers={"Content-Encoding": "gzip"})) as server, client_of(server) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"


def test_b15_an_order_with_a_time_is_sent(edge, client):
    moment = datetime.datetime(2026, 11, 22, 12, 30, tzinfo=datetime.timezone.utc)
    mbox = MboxRequest(name="orderConfirmPage", order=Order(id="1", total=9.5, time=moment))
    client.get_offers({"request": DeliveryRequest(execute=ExecuteRequest(mboxes=[mbox]))})
    (sent,) = edge.requests[-1].body["execute"]["mboxes"]
    assert datetime.datetime.fromisoformat(sent["order"]["time"].replace("Z", "+00:00")) == moment


# The envelope


def test_the_envelope_is_a_dict_whose_items_are_also_attributes(client):
    envelope = client.get_offers({**ab(), "session_id": "s1"})
    assert isinstance(envelope, dict)
    assert isinstance(envelope, TargetDeliveryResponse)
    assert isinstance(envelope["response"], DeliveryResponse)
    assert envelope["response"] is envelope.response
    assert envelope.session_id == "s1"
    assert "session_id" not in envelope
    data_id = envelope.request.experience_cloud.analytics.supplemental_data_id
    assert envelope["visitor_state"]["1234567890@AdobeOrg"]["sdid"]["supplementalDataIDCurrent"] == data_id
    assert "trace" not in envelope
    assert envelope.trace is None
    assert envelope["target_cookie"]["name"] == TargetClient.TargetCookieName == "mbox"
    assert envelope["target_location_hint_cookie"] == {
        "name": TargetClient.TargetLocationHintCookieName,
        "value": "35",
        "maxAge": 1860,
        "max_age": 1860,
    }
    assert envelope["request"].execute.mboxes[0].index == 0


def test_the_cookie_of_an_answer_identifies_the_visitor_in_the_next_call(edge, client):
    first = client.get_offers(ab())
    cookie = first["target_cookie"]["value"]
    second = client.get_offers({**ab(), "target_cookie": cookie})
    assert second.session_id == first.session_id
    assert second["response"].id.tnt_id == first["response"].id.tnt_id
    assert edge.requests[-1].body["id"] == {"tntId": first["response"].id.tnt_id}
    assert content(first) == content(second)


def test_b33_meta_names_the_method_that_decided(client):
    assert client.get_offers(ab())["meta"] == {
        "decisioning_method": "server-side",
        "remote_mboxes": [],
        "remote_views": [],
    }


def test_details_are_listed_in_the_order_of_1_1_0():
    def part(name):
        option = {"type": "html", "content": name, "responseTokens": {"from": name}}
        payload = {"payload": {"pe": "tnt", "tnta": name}}
        return {"options": [option], "analytics": payload, "trace": {"from": name}}

    body = {
        **ANSWER,
        "execute": {"pageLoad": part("xp"), "mboxes": [{"name": "a", **part("xm")}]},
        "prefetch": {"pageLoad": part("pp"), "views": [part("pv")], "mboxes": [{"name": "a", **part("pm")}]},
    }
    with SocketServer(answer(body)) as server, client_of(server) as client:
        envelope = client.get_offers(offers())
    order = ["xp", "xm", "pp", "pv", "pm"]
    assert [each.payload.tnta for each in envelope["analytics_details"]] == order
    assert [each["from"] for each in envelope["trace"]] == order
    assert [each["from"] for each in envelope["response_tokens"]] == order


def test_b18_unexpected_values_in_an_answer_are_accepted():
    mbox = {"index": 0, "name": "n", "options": [{"type": "json", "content": 143}, {"type": "new", "content": [1]}]}
    body = {**ANSWER, "id": {"tntId": "x" * 130}, "execute": {"mboxes": [mbox]}, "unheardOf": {"a": 1}}
    with SocketServer(answer(body)) as server, client_of(server) as client:
        envelope = client.get_offers(offers())
    assert content(envelope) == 143
    assert envelope["response"].execute.mboxes[0].options[1].type == "new"
    assert "x" * 130 in envelope["target_cookie"]["value"]


def test_tokens_of_prefetched_options_can_be_sent_in_notifications(edge, client):
    prefetch = PrefetchRequest(
        mboxes=[MboxRequest(name="a1-serverside-ab")], page_load=RequestDetails(), views=[ViewRequest()]
    )
    envelope = client.get_offers({"request": DeliveryRequest(prefetch=prefetch)})
    (mbox,) = envelope["response"].prefetch.mboxes
    assert mbox.state
    token = mbox.options[0].event_token
    notification = Notification(
        id="n1",
        type="display",
        timestamp=int(time.time() * 1000),
        mbox=NotificationMbox(name=mbox.name, state=mbox.state),
        tokens=[token],
    )
    notified = client.send_notifications({"request": DeliveryRequest(notifications=[notification])})
    assert [each.id for each in notified["response"].notifications] == ["n1"]
    assert edge.notifications[-1]["tokens"] == [token]


def test_the_answer_to_a_beacon_is_empty(client):
    request = DeliveryRequest(
        context=Context(channel="web", beacon=True),
        notifications=[Notification(type="click", mbox=NotificationMbox(name="home"))],
    )
    assert client.send_notifications({"request": request})["response"] == DeliveryResponse()


# Attributes


def test_attributes_are_read_as_documented(edge, client):
    attributes = client.get_attributes(["demo-engineering-flags"])
    assert attributes.get_value("demo-engineering-flags", "searchProviderId") == 143
    assert attributes.as_object("demo-engineering-flags") == FLAGS
    assert attributes.as_object() == {"demo-engineering-flags": FLAGS}
    assert attributes.to_json() == attributes.as_object()
    assert attributes.get_response()["response"].status == 200
    assert attributes.offers_response is attributes.get_response()
    with pytest.raises(AttributeNotFound) as caught:
        attributes.get_value("demo-engineering-flags", "absent")
    assert str(caught.value) == "Attribute 'absent' does not exist for mbox 'demo-engineering-flags'"
    with pytest.raises(AttributeNotFound):
        attributes.get_value("absent", "absent")


def test_b49_an_mbox_without_an_offer_has_no_attributes(client):
    attributes = client.get_attributes(["nobody-targets-this"])
    assert attributes.as_object("nobody-targets-this") == {}
    assert attributes.as_object("never-asked-for") == {}


def test_as_object_is_a_copy(client):
    attributes = client.get_attributes(["demo-engineering-flags"])
    attributes.as_object("demo-engineering-flags")["searchProviderId"] = 0
    attributes.as_object()["demo-engineering-flags"].clear()
    assert attributes.get_value("demo-engineering-flags", "searchProviderId") == 143


def test_b22_calls_without_a_request_do_not_accumulate_mboxes(edge, client):
    client.get_attributes(["x"])
    client.get_attributes(["y"])
    assert [mbox["name"] for mbox in edge.requests[-1].body["execute"]["mboxes"]] == ["y"]


def test_b23_options_without_a_request_are_used(edge, client):
    client.get_attributes(["x"], {"session_id": "mine", "target_cookie": "PC#device.35_0#4000000000"})
    assert edge.requests[-1].query["sessionId"] == "mine"
    assert edge.requests[-1].body["id"]["tntId"] == "device.35_0"


def test_b26_missing_mboxes_are_added_and_get_an_index(edge, client):
    request = DeliveryRequest(
        execute=ExecuteRequest(mboxes=[MboxRequest(name="a")]),
        prefetch=PrefetchRequest(mboxes=[MboxRequest(name="demo-engineering-flags")]),
    )
    before = copy.deepcopy(request)
    attributes = client.get_attributes(["b", "a", "demo-engineering-flags", "b"], {"request": request})
    sent = edge.requests[-1].body
    assert [(mbox["name"], mbox["index"]) for mbox in sent["execute"]["mboxes"]] == [("a", 0), ("b", 1)]
    assert [mbox["name"] for mbox in sent["prefetch"]["mboxes"]] == ["demo-engineering-flags"]
    assert attributes.as_object("demo-engineering-flags") == FLAGS
    assert request == before


def test_executed_content_overrides_prefetched_and_later_options_override_earlier_ones():
    def mbox(*contents):
        return {"mboxes": [{"name": "m", "options": [{"type": "json", "content": each} for each in contents]}]}

    body = {**ANSWER, "prefetch": mbox({"a": 1, "b": 1}), "execute": mbox({"b": 2, "c": 2}, [1, 2], "text", {"c": 3})}
    with SocketServer(answer(body)) as server, client_of(server) as client:
        assert client.get_attributes(["m"]).as_object("m") == {"a": 1, "b": 2, "c": 3}


# Hints


def test_the_clients_hint_is_used_until_an_answer_names_another_cluster():
    messages = [response({**ANSWER, "edgeHost": host}) for host in (None, "mboxedge28.tt.omtrdc.net", None)]
    with SocketServer(replies(*messages)) as server, client_of(server, target_location_hint="31") as client:
        envelopes = [client.get_offers(offers()) for _ in messages]
    assert [each["target_location_hint_cookie"]["value"] for each in envelopes] == ["31", "31", "28"]


def test_a_visitors_hint_is_used_for_one_call_only():
    elsewhere = {**ANSWER, "edgeHost": "mboxedge28.tt.omtrdc.net"}
    with SocketServer(answer(elsewhere)) as server, client_of(server) as client:
        first = client.get_offers({**offers(), "target_location_hint": "31"})
        assert first["target_location_hint_cookie"]["value"] == "31"
        assert client.get_offers(offers())["target_location_hint_cookie"]["value"] == "28"


@pytest.mark.parametrize("hint", ["@localhost:{port}/", "evil.com#", b"\xff", 35, None])
def test_a_hostile_location_hint_is_never_used(hint):
    with SocketServer(answer({**ANSWER, "edgeHost": None})) as server, SocketServer(answer(ANSWER)) as evil:
        if isinstance(hint, str):
            hint = hint.format(port=evil.port)
        with client_of(server) as client:
            cookie = f"PC#abc.@localhost%3A{evil.port}%2F_0#4000000000"
            client.get_offers({**offers(), "target_location_hint": hint, "target_cookie": cookie})
            for _ in range(5):
                assert "target_location_hint_cookie" not in client.get_offers(offers())
            assert client.stats()["invalid_hints"] == 1 + (hint is not None)
        assert (len(server.requests), evil.connections) == (6, 0)


@pytest.mark.parametrize("edge_host", ["mboxedge35.evil.com", "evil.com", 7, "mboxedge@x.tt.omtrdc.net", ""])
def test_an_invalid_edge_host_in_an_answer_is_ignored(edge_host):
    with SocketServer(answer({**ANSWER, "edgeHost": edge_host})) as server, client_of(server) as client:
        for _ in range(2):
            assert "target_location_hint_cookie" not in client.get_offers(offers())


# Logs


class LineLogger:
    """A logger with the two methods that the other Target SDKs require."""

    def __init__(self):
        self.lines = []

    def debug(self, message, *arguments):
        self.lines.append(message % arguments)

    error = debug


def test_b14_every_client_has_its_own_logger(edge):
    first_logger, second_logger = LineLogger(), LineLogger()
    with client_of(edge, logger=first_logger) as first, client_of(edge, logger=second_logger) as second:
        first.get_offers(ab())
        assert len(first_logger.lines) == 2
        assert second_logger.lines == []
        second.get_offers(ab())
        assert len(second_logger.lines) == 2


def test_b15_log_lines_contain_no_visitor_data_without_log_payloads(edge, caplog):
    caplog.set_level(logging.DEBUG, "adobe.target")
    secret = "somebody-17"
    request = DeliveryRequest(
        id=VisitorId(tnt_id=secret, third_party_id=secret, marketing_cloud_visitor_id=secret),
        context=Context(channel="web", user_agent=secret),
        execute=ExecuteRequest(mboxes=[MboxRequest(name="home", parameters={"name": secret, "email": secret})]),
    )
    with client_of(edge) as client:
        client.get_offers({"request": request, "session_id": secret, "customer_ids": {"crm": secret}})
    messages = [record.getMessage() for record in caplog.records if record.name == "adobe.target"]
    assert messages[0].startswith("Request sent to http://127.0.0.1:")
    assert messages[1].startswith("Response received from http://127.0.0.1:")
    assert '"name": "home"' in messages[0]
    assert "200" in messages[1]
    assert secret not in "".join(messages)
    with client_of(edge, log_payloads=True) as client:
        client.get_offers({"request": request, "session_id": secret})
    assert secret in caplog.text


def test_b15_nothing_is_rendered_for_disabled_log_levels(edge, monkeypatch):
    monkeypatch.setattr(exchange, "redacted_body", lambda body: pytest.fail("rendered"))
    logger = logging.getLogger("a.quiet.one")
    logger.setLevel(logging.INFO)
    with client_of(edge, logger=logger) as client:
        client.get_offers(ab())


def test_b12_the_loggers_of_the_application_are_not_changed(edge):
    names = ("", "urllib3", "delivery_api_client", "adobe", "adobe.target")
    before = [(logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in names]
    http.client.HTTPConnection.debuglevel = 0
    with client_of(edge) as client:
        client.get_offers(ab())
    assert [(logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in names] == before
    assert http.client.HTTPConnection.debuglevel == 0


# Lifetime


def test_b16_options_that_cannot_be_copied_are_accepted(edge):
    class Holder:
        def __init__(self):
            self.lock = threading.Lock()

        def ready(self, event):
            pass

    with client_of(edge, events={"client_ready": Holder().ready}, artifact_payload={"rules": {}}) as client:
        assert client.get_offers(ab())["response"].status == 200


def test_b17_a_closed_client_raises_client_closed(edge):
    with client_of(edge) as client:
        client.get_offers(ab())
    assert "closed" in repr(client)
    for act in (client.get_offers, client.send_notifications, lambda options: client.get_attributes(["a"], options)):
        with pytest.raises(ClientClosed):
            act(ab())
    client.close()


def test_a_pickled_or_copied_client_works_and_counts_its_own_calls(edge):
    with client_of(edge) as client:
        client.get_offers(ab())
        for another in (pickle.loads(pickle.dumps(client)), copy.copy(client), copy.deepcopy(client)):
            with another:
                assert another.get_offers(ab())["response"].status == 200
                assert another.stats()["calls"] == 1
        assert client.stats()["calls"] == 1


def test_names_of_the_other_target_sdks_exist():
    assert TargetClient.get_visitor_cookie_name("1234@AdobeOrg") == "AMCV_1234@AdobeOrg"
    assert TargetClient.AuthState is AuthState
    assert (AuthState.UNKNOWN, AuthState.AUTHENTICATED, AuthState.LOGGED_OUT) == (0, 1, 2)


def test_an_envelope_pickles(client):
    envelope = client.get_offers(ab())
    restored = pickle.loads(pickle.dumps(envelope))
    assert restored == envelope
    assert restored.session_id == envelope.session_id


def test_bytes_and_text_are_never_compared(edge):
    """``python -bb`` turns such a comparison into an error."""
    script = """
        from target_python_sdk import TargetClient
        from tests.support import offers
        with TargetClient.create({{"client": "acme", "organization_id": "1@AdobeOrg", "server_domain": "{}",
                                  "secure": False, "target_location_hint": b"35"}}) as client:
            for _ in range(2):
                client.get_offers({{**offers(), "target_cookie": b"PC#a.35_0#4000000000", "session_id": b"s",
                                   "target_location_hint": b"31"}})
                client.get_offers({{**offers(), "target_cookie": "", "session_id": "", "target_location_hint": ""}})
    """
    code = textwrap.dedent(script.format(edge.domain))
    done = subprocess.run([sys.executable, "-bb", "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
