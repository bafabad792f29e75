"""Applications whose tests replace ``DeliveryApi.execute`` or ``ApiClient.request`` of 1.1.0 can still do so."""

import asyncio
import contextvars
import json
import subprocess
import sys
import threading
from unittest import mock

import pytest

import delivery_api_client
from delivery_api_client import ApiClient, ApiException, DeliveryApi, DeliveryResponse
from delivery_api_client.rest import RESTResponse
from target_python_sdk.delivery.replaced_api import REPLACEMENTS
from target_python_sdk.errors import DeadlineExceeded, HttpStatusError, TransportError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, answer
from target_python_sdk.types import DeliveryRequest, Notification, NotificationMbox
from tests.support import ANSWER_BYTES, body_of, client_of, eventually, offers

pytestmark = pytest.mark.server

VISITOR = contextvars.ContextVar("visitor", default=None)


def notifications():
    shown = Notification(id="n", type="display", timestamp=1700000000000, mbox=NotificationMbox(name="home"))
    return {"request": DeliveryRequest(notifications=[shown])}


CALLS = {"get_offers": offers, "send_notifications": notifications}


def blocking_call(client, method, options):
    return getattr(client, method)(options)


def callback_call(client, method, options):
    received, failed = [], []
    result = getattr(client, method)({**options, "callback": received.append, "err_callback": failed.append})
    result.wait(20)
    if failed:
        raise failed[0]
    return received[0]


def awaited_call(client, method, options):
    return asyncio.run(getattr(client, method + "_async")(options))


FORMS = [blocking_call, callback_call, awaited_call]
every_form = pytest.mark.parametrize("form", FORMS)
every_call = pytest.mark.parametrize("method", list(CALLS))


@pytest.fixture
def server():
    with SocketServer(answer(ANSWER_BYTES)) as running:
        yield running


@pytest.fixture
def client(server):
    with client_of(server, version="7.1", retries=1) as made:
        yield made


# DeliveryApi.execute


@every_form
@every_call
def test_a_replaced_execute_answers_calls(form, method, client, server):
    fake = DeliveryResponse(status=200, client="acmeclient", edge_host="mboxedge35.tt.omtrdc.net")
    options = {**CALLS[method](), "session_id": "s1"}
    with mock.patch.object(DeliveryApi, "execute", return_value=fake) as execute:
        envelope = form(client, method, options)
    assert envelope["response"] is fake
    assert envelope.session_id == "s1"
    assert execute.call_count == 1
    organization, session_id, request = execute.call_args[0]
    assert (organization, session_id) == ("1234567890@AdobeOrg", "s1")
    assert request is envelope["request"]
    assert execute.call_args[1] == {"version": "7.1"}
    assert client.config["target_location_hint"] == "35"
    assert server.requests == []
    assert form(client, method, options)["response"] is not fake
    assert len(server.requests) == 1


def test_execute_gets_no_version_if_the_client_has_none(server):
    seen = []

    def execute(self, ims_org_id, session_id, delivery_request):
        seen.append(type(self))
        return DeliveryResponse(status=200)

    with client_of(server) as client, mock.patch.object(DeliveryApi, "execute", execute):
        client.get_offers(offers())
    assert seen == [DeliveryApi]


@every_form
def test_a_double_with_the_attributes_of_a_response_is_accepted(form, client):
    option = mock.Mock(response_tokens={"activity.id": 7})
    mbox = mock.Mock(analytics=None, trace=None, options=[option])
    double = mock.Mock(execute=mock.Mock(page_load=None, mboxes=[mbox]), prefetch=None, edge_host=None)
    with mock.patch.object(DeliveryApi, "execute", return_value=double):
        envelope = form(client, "get_offers", offers())
    assert envelope["response"] is double
    assert envelope["response_tokens"] == [{"activity.id": 7}]


@every_form
@every_call
def test_an_api_exception_reaches_the_caller_as_an_http_status_error(form, method, client):
    error = ApiException(status=403, reason="Forbidden")
    error.body, error.headers = '{"message": "no"}', {"X-Why": "because"}
    with mock.patch.object(DeliveryApi, "execute", side_effect=error):
        with pytest.raises(ApiException) as caught:
            form(client, method, CALLS[method]())
    raised = caught.value
    assert isinstance(raised, HttpStatusError)
    assert (raised.status, raised.reason, raised.body, raised.headers) == (403, "Forbidden", error.body, error.headers)
    assert raised.__cause__ is error
    assert raised.request is not None


@every_form
def test_an_error_of_the_sdk_reaches_the_caller_unchanged(form, client):
    error = DeadlineExceeded("late")
    with mock.patch.object(DeliveryApi, "execute", side_effect=error):
        with pytest.raises(DeadlineExceeded) as caught:
            form(client, "get_offers", offers())
    assert caught.value is error


@every_form
@pytest.mark.parametrize("error", [KeyError("somebody"), delivery_api_client.ApiTypeError("wrong")])
def test_any_other_exception_is_the_cause_of_a_transport_error(form, error, client):
    with mock.patch.object(DeliveryApi, "execute", side_effect=error):
        with pytest.raises(TransportError, match=type(error).__name__) as caught:
            form(client, "get_offers", offers())
    assert caught.value.__cause__ is error
    assert error.args[0] not in str(caught.value)


@pytest.mark.parametrize("returned", [None, {"status": 200}, mock.Mock()])
def test_an_unexpected_return_value_raises_transport_error(returned, client):
    with mock.patch.object(DeliveryApi, "execute", return_value=returned):
        with pytest.raises(TransportError, match="expected a DeliveryResponse"):
            client.get_offers(offers())


def test_an_interrupt_passes_unchanged(client):
    with mock.patch.object(DeliveryApi, "execute", side_effect=KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            client.get_offers(offers())


def test_on_error_default_applies_to_a_failed_replacement(server):
    with client_of(server, on_error="default") as client:
        with mock.patch.object(DeliveryApi, "execute", side_effect=ApiException(status=500, reason="down")):
            assert isinstance(client.get_offers(offers()).error, HttpStatusError)
        assert client.stats()["failures"] == 1


@every_form
def test_a_replaced_execute_runs_in_the_usual_thread_and_context(form, client):
    """A blocking call runs in the caller's thread, others in a worker; all run in the caller's context."""
    seen = []

    def execute(*_, **__):
        seen.append((VISITOR.get(), threading.get_ident()))
        return DeliveryResponse(status=200)

    token = VISITOR.set("v1")
    try:
        with mock.patch.object(DeliveryApi, "execute", side_effect=execute):
            form(client, "get_offers", offers())
    finally:
        VISITOR.reset(token)
    ((visitor, thread),) = seen
    assert visitor == "v1"
    assert (thread == threading.get_ident()) is (form is blocking_call)


def test_a_replaced_execute_sends_on_device_notifications():
    with LocalEdge(
        {"activities": [{"id": 1, "locations": ["home"], "experiences": [{"offer": {"html": "x"}}]}]}
    ) as edge:
        options = {"decisioning_method": "on-device", "artifact_payload": edge.rules, "polling_interval": 0}
        fake = DeliveryResponse(status=200, edge_host="mboxedge35.tt.omtrdc.net")
        with mock.patch.object(DeliveryApi, "execute", return_value=fake) as execute:
            with client_of(edge, **options) as client:
                client.get_offers(offers())
                assert client.flush(20000)
                assert eventually(lambda: client.config["target_location_hint"] == "35")
        notified = [call[0][2].notifications for call in execute.call_args_list if call[0][2].notifications]
        assert [one.mbox.name for (one,) in notified] == ["home"]
        assert edge.notifications == []


# A replacement class


class Canned(DeliveryApi):
    """A class that replaces ``DeliveryApi``."""

    def execute(self, ims_org_id, session_id, delivery_request, **kwargs):
        return DeliveryResponse(status=200, client="canned")


@every_form
@pytest.mark.parametrize(
    "place", ["delivery_api_client", "delivery_api_client.api", "delivery_api_client.api.delivery_api"]
)
def test_a_replacement_class_answers_calls(form, place, client, server, monkeypatch):
    monkeypatch.setattr(place + ".DeliveryApi", Canned)
    assert form(client, "get_offers", offers())["response"].client == "canned"
    monkeypatch.undo()
    assert form(client, "get_offers", offers())["response"].client != "canned"
    assert len(server.requests) == 1


def test_a_patched_method_of_a_replacement_class_answers_calls(client, monkeypatch):
    monkeypatch.setattr(delivery_api_client, "DeliveryApi", Canned)
    monkeypatch.setattr(Canned, "execute", lambda *_, **__: DeliveryResponse(status=200, client="patched"))
    assert client.get_offers(offers())["response"].client == "patched"


# ApiClient


def rest_response(status=200, **content):
    raw = mock.Mock(status=status, reason="OK", headers={}, data=json.dumps(content).encode())
    return RESTResponse(raw)


@every_form
@every_call
def test_the_original_execute_sends_through_a_replaced_request(form, method, client, server):
    reply = rest_response(status=200, client="from-request")
    with mock.patch.object(ApiClient, "request", return_value=reply) as request:
        envelope = form(client, method, {**CALLS[method](), "session_id": "s1"})
    assert isinstance(envelope["response"], DeliveryResponse)
    assert envelope["response"].client == "from-request"
    (verb, url), sent = request.call_args
    assert (verb, url) == ("POST", f"http://{server.domain}/rest/v1/delivery")
    assert ("sessionId", "s1") in sent["query_params"]
    assert ("version", "7.1") in sent["query_params"]
    assert sent["body"]["requestId"] == envelope["request"].request_id
    assert 0 < sent["_request_timeout"] <= 60
    assert server.requests == []


def test_a_replaced_request_that_fails_raises_an_sdk_error(client):
    with mock.patch.object(ApiClient, "request", side_effect=ApiException(status=0, reason="no route")):
        with pytest.raises(ApiException, match="no route"):
            client.get_offers(offers())
    with mock.patch.object(ApiClient, "request", return_value=mock.Mock(status=200, data=5)):
        with pytest.raises(TransportError):
            client.get_offers(offers())


@every_form
def test_a_replaced_call_api_answers_calls(form, client, server):
    with mock.patch.object(ApiClient, "call_api", return_value=DeliveryResponse(status=200, client="c")) as call_api:
        assert form(client, "get_offers", offers())["response"].client == "c"
    assert call_api.call_args[0] == ("/rest/v1/delivery", "POST")
    assert server.requests == []


def test_a_replacement_that_calls_the_original_uses_the_same_host(client, server):
    original = ApiClient.request
    with mock.patch.object(ApiClient, "request", autospec=True, side_effect=original) as request:
        assert client.get_offers(offers())["response"].status == 200
    assert request.call_count == 1
    assert [one["name"] for one in body_of(server.requests[0])["execute"]["mboxes"]] == ["home"]


def test_a_separate_api_client_uses_a_replaced_request(server):
    """The method of one instance is replaced. ``execute_with_http_info`` and ``async_req`` use the replacement."""
    reply = rest_response(status=200, client="from-request")
    with ApiClient(delivery_api_client.Configuration(host=f"http://{server.domain}")) as api_client:
        with mock.patch.object(api_client, "request", return_value=reply):
            api = DeliveryApi(api_client)
            data, status, _ = api.execute_with_http_info("o", "s", DeliveryRequest())
            assert (data.client, status) == ("from-request", 200)
            assert api.execute("o", "s", DeliveryRequest(), async_req=True).get(20).client == "from-request"
            assert api.execute("o", "s", DeliveryRequest(), _preload_content=False) is reply
            assert api_client.last_response is reply
    assert server.requests == []


# Without delivery_api_client


def test_the_sdk_does_not_import_delivery_api_client():
    program = (
        "import sys, target_python_sdk.client as c; from target_python_sdk.delivery.replaced_api import REPLACEMENTS\n"
        "print(REPLACEMENTS.find, [m for m in sys.modules if m.startswith('delivery_api_client')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "None []\n"


@pytest.mark.parametrize(
    "patched",
    [
        "DeliveryApi.execute",
        "ApiClient.request",
        "api.delivery_api.DeliveryApi.execute",
        "api_client.ApiClient.request",
    ],
)
def test_a_patch_that_first_imports_delivery_api_client_takes_effect(patched):
    program = f"""
from unittest import mock
from target_python_sdk import TargetClient
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest, DeliveryResponse
reply = mock.Mock(status=200, data='{{"client": "c"}}')
if {patched!r}.endswith("execute"):
    reply = DeliveryResponse(client="c")
client = TargetClient.create({{"client": "acme", "organization_id": "o@AdobeOrg", "server_domain": "127.0.0.1:9"}})
request = DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name="home")]))
with mock.patch("delivery_api_client.{patched}", return_value=reply):
    print(client.get_offers({{"request": request}}).response.client)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("c\n", "")


def test_nothing_is_replaced_after_a_patch_is_undone():
    assert REPLACEMENTS.find() is None
    with mock.patch("delivery_api_client.DeliveryApi", Canned):
        assert REPLACEMENTS.find() is not None
    assert REPLACEMENTS.find() is None
