"""Overridden or patched ``get_offers`` and ``send_notifications`` are called wherever 1.1.0 called these methods."""

import asyncio
import io
from unittest import mock

import pytest
import urllib3

from target_python_sdk import TargetClient
from target_python_sdk.errors import ConnectionFailed
from target_python_sdk.types import (
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    ExecuteResponse,
    MboxRequest,
    MboxResponse,
    Option,
    VisitorId,
)
from tests.conformance import builders
from tests.support import ANSWER_BYTES

OPTIONS = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg", "timeout": 5000}


def envelope(**content):
    option = Option(type="json", content=content)
    mboxes = [MboxResponse(name="flags", options=[option])]
    return {"response": DeliveryResponse(execute=ExecuteResponse(mboxes=mboxes))}


def blocking_call(client, **options):
    return client.get_attributes(["flags"], **options)


def callback_call(client, **options):
    received = []
    result = client.get_attributes(["flags"], callback=received.append, **options)
    assert [result.get(20)] == received
    return received[0]


def awaited_call(client, **options):
    return asyncio.run(client.get_attributes_async(["flags"], **options))


every_form = pytest.mark.parametrize("form", [blocking_call, callback_call, awaited_call])


@every_form
def test_get_attributes_calls_a_patched_get_offers(form):
    with TargetClient.create(OPTIONS) as client:
        with mock.patch.object(TargetClient, "get_offers", return_value=envelope(color="red")) as get_offers:
            attributes = form(client, session_id="s-1")
        assert attributes.get_value("flags", "color") == "red"
        (options,) = get_offers.call_args[0]
        assert sorted(options) == ["request", "session_id"]
        assert options["request"].execute.mboxes == [MboxRequest(name="flags", index=1)]


@every_form
def test_get_attributes_calls_the_get_offers_of_a_subclass(form):
    class Recolored(TargetClient):
        def get_offers(self, options=None, **keywords):
            return envelope(color="blue", count=len(options["request"].execute.mboxes))

    with Recolored({**OPTIONS, "internal": True}) as client:
        request = DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name="home", index=4)]))
        assert form(client, request=request).as_object("flags") == {"color": "blue", "count": 2}
        assert len(request.execute.mboxes) == 1


def test_an_exception_of_a_replaced_get_offers_reaches_the_caller():
    received = []
    with TargetClient.create(OPTIONS) as client:
        with mock.patch.object(client, "get_offers", side_effect=ConnectionFailed("down", "opening")):
            with pytest.raises(ConnectionFailed):
                client.get_attributes(["flags"])
            client.get_attributes(["flags"], callback=str, err_callback=received.append).wait(20)
    assert [type(error) for error in received] == [ConnectionFailed]


class PoolManager:
    """Answers each request at once, without a network."""

    def request(self, method, url, **options):
        return urllib3.HTTPResponse(io.BytesIO(ANSWER_BYTES), status=200, preload_content=False)


def on_device(**options):
    document = builders.artifact(home=[builders.rule("A")])
    artifact = {"artifact_payload": document, "polling_interval": 0, "target_location_hint": "35"}
    return {**OPTIONS, **artifact, "decisioning_method": "on-device", "pool_manager": PoolManager(), **options}


def decide(client, **options):
    request = DeliveryRequest(
        id=VisitorId(tnt_id="visitor.35_0"), execute=ExecuteRequest(mboxes=[MboxRequest(name="home")])
    )
    client.get_offers({"request": request, **options})
    assert client.flush(5000)


def test_on_device_notifications_are_sent_by_a_patched_send_notifications():
    with TargetClient.create(on_device()) as client:
        with mock.patch.object(TargetClient, "send_notifications") as send_notifications:
            decide(client, session_id="s-1")
    (options,) = send_notifications.call_args[0]
    assert [one.mbox.name for one in options["request"].notifications] == ["home"]
    assert (options["session_id"], options["visitor"], options["target_location_hint"]) == ("s-1", None, "35")


def test_a_subclass_can_forward_on_device_notifications():
    accepted = []

    class Recording(TargetClient):
        def send_notifications(self, options=None, **keywords):
            answer = super().send_notifications(options)
            accepted.append((options["request"].notifications[0].mbox.name, answer.response.status))
            return answer

    with Recording({**on_device(), "internal": True}) as client:
        decide(client)
    assert accepted == [("home", 200)]


def test_an_exception_of_a_replaced_send_notifications_is_reported(caplog):
    events = []
    with TargetClient.create(on_device(events={"send_notification_error": events.append})) as client:
        with mock.patch.object(client, "send_notifications", side_effect=KeyError("mine")):
            decide(client)
        assert client.stats()["undelivered"] == 1
    assert "Notifications were not delivered (KeyError)" in caplog.text
    assert [type(event.error) for event in events] == [KeyError]
