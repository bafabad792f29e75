"""Options as a dict, as keyword arguments, or both; a request as a model or a dict."""

import asyncio

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import OptionError
from target_python_sdk.testing import SocketServer, answer
from tests.support import ANSWER_BYTES, body_of, content, offers, options_for

pytestmark = pytest.mark.server

REQUEST = offers()["request"]
CUSTOMER = {"customer_ids": [{"id": "c-1", "integrationCode": "crm"}]}


@pytest.fixture
def server():
    with SocketServer(answer(ANSWER_BYTES)) as running:
        yield running


@pytest.fixture
def client(server):
    with TargetClient.create(**options_for(server)) as running_client:
        yield running_client


FORMS = {
    "a dict": lambda call, request, **more: call({"request": request, **more}),
    "keywords": lambda call, request, **more: call(request=request, **more),
    "both": lambda call, request, **more: call({"request": request}, **more),
}
REQUESTS = {
    "a model": REQUEST,
    "a dict as on the wire": {"context": {"channel": "web"}, "execute": {"mboxes": [{"name": "home"}]}},
    "a dict of models": {"context": REQUEST.context, "execute": REQUEST.execute},
}


@pytest.mark.parametrize("request_form", REQUESTS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_sends_the_same_request(form, request_form, client, server):
    async def call_async():
        return await FORMS[form](client.get_offers_async, REQUESTS[request_form], **CUSTOMER)

    envelopes = [
        FORMS[form](client.get_offers, REQUESTS[request_form], **CUSTOMER),
        FORMS[form](client.get_offers, REQUESTS[request_form], callback=str, **CUSTOMER).get(),
        asyncio.run(call_async()),
    ]
    assert [content(envelope) for envelope in envelopes] == ["<b>A</b>"] * 3
    bodies = [body_of(raw) for raw in server.requests]
    for body in bodies:
        assert body.pop("requestId")
        assert body["context"].pop("timeOffsetInMinutes") is not None
        assert body["experienceCloud"]["analytics"].pop("supplementalDataId")
    assert bodies == [bodies[0]] * 3
    assert bodies[0]["execute"] == {"mboxes": [{"index": 0, "name": "home"}]}
    assert [envelope.request.id.customer_ids[0].id for envelope in envelopes] == ["c-1"] * 3


def test_attributes_and_notifications_take_keywords(client, server):
    assert client.get_attributes(["flags"], session_id="s-1").indexed == {}
    notification = {"id": "n-1", "type": "display", "timestamp": 1, "mbox": {"name": "home"}, "tokens": ["t"]}
    client.send_notifications(request={"context": {"channel": "web"}, "notifications": [notification]})
    assert body_of(server.requests[0])["execute"]["mboxes"][0]["name"] == "flags"
    assert body_of(server.requests[1])["notifications"][0]["id"] == "n-1"


def test_an_option_given_twice_is_an_error(client):
    with pytest.raises(OptionError, match="Invalid option 'timeout': given both in the dict and as a keyword"):
        client.get_offers({"request": REQUEST, "timeout": 5}, timeout=6)
    with pytest.raises(OptionError, match="Invalid option 'client': given both"):
        TargetClient.create({"client": "a", "organization_id": "b"}, client="c")


@pytest.mark.parametrize("request_value", [None, {}, [], "home", 5])
def test_an_invalid_request_is_an_option_error(request_value, client):
    with pytest.raises(OptionError) as caught:
        client.get_offers(request=request_value)
    assert caught.value.option == "request"
    assert caught.value.expected == "a DeliveryRequest or a dict"


def test_the_error_for_an_mbox_of_the_wrong_type_names_its_path(client):
    with pytest.raises(OptionError) as caught:
        client.get_offers(request={"execute": {"mboxes": [5]}})
    assert caught.value.option.startswith("request")
    assert "execute" in str(caught.value)


def test_create_returns_an_instance_of_the_class_that_it_is_called_on(server):
    class Subclass(TargetClient):
        """A client of an application."""

    with Subclass.create(options_for(server)) as client, TargetClient.create(options_for(server)) as plain:
        assert type(client) is Subclass
        assert type(plain) is TargetClient


def test_the_default_answer_of_a_failed_call_lists_the_requested_mboxes_and_views(server):
    prefetch = {"mboxes": [{"name": "home"}], "views": [{"name": "cart", "key": "c"}, {}]}
    with TargetClient.create(options_for(server, on_error="default"), target_location_hint="35") as client:
        server.stop()
        envelope = client.get_offers(request={"request_id": "r-1", "prefetch": prefetch}, timeout=500)
    assert envelope.error is not None
    assert envelope.response.prefetch.to_dict(by_alias=True, exclude_none=True) == {
        "mboxes": [{"index": 0, "name": "home"}],
        "views": [{"name": "cart", "key": "c"}],
    }
    assert not envelope.view("cart")
    assert f"request_id={envelope.request.request_id!r}" in repr(envelope).splitlines()[0]
