"""The fast path for common on-device calls has the same outcome as the ordinary path."""

import itertools
import json
import time
import types
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from target_python_sdk import TargetClient
from target_python_sdk.client_calls import ClientCalls
from target_python_sdk.errors import DeadlineExceeded
from target_python_sdk.types import DeliveryRequest
from target_tools import clock, uuids
from tests.conformance.builders import artifact, halves, rule
from tests.decisioning.test_properties import ARTIFACTS, NAMES, VIEWS

NOW = 1_700_000_000.25
A_REQUEST = {
    "id": {"tntId": "device.35_0"},
    "context": {"channel": "web"},
    "execute": {"mboxes": [{"name": "home", "index": 0}]},
}

IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
PARAMETERS = st.dictionaries(st.sampled_from(["foo", "age", "a.b"]), st.sampled_from(["bar", "7", "", "ä"]), max_size=2)
DETAILS = st.fixed_dictionaries({}, optional={"parameters": PARAMETERS})
INDEXES = st.one_of(st.integers(0, 3), st.integers(0, 3), st.none())
MBOXES = st.builds(
    lambda name, index, details: {**details, "name": name, "index": index}, st.sampled_from(NAMES), INDEXES, DETAILS
)
#: Most generated requests are those of common calls, so that most examples take the fast path.
EXECUTE = {"mboxes": st.lists(MBOXES, max_size=3), "pageLoad": DETAILS}
PREFETCH = {**EXECUTE, "views": st.lists(st.builds(lambda name: {"name": name}, st.sampled_from(VIEWS)), max_size=2)}
REQUESTS = st.fixed_dictionaries(
    {
        "id": st.fixed_dictionaries(
            {"tntId": st.one_of(IDS, IDS.map(lambda device_id: device_id + ".35_0"))},
            optional={"thirdPartyId": IDS, "marketingCloudVisitorId": IDS},
        ),
        "context": st.fixed_dictionaries(
            {"channel": st.sampled_from(["web", "web", "mobile", "paper"])},
            optional={
                "userAgent": st.sampled_from(["Chrome/120.0", "MSIE 10.0; Windows"]),
                "address": st.just({"url": "https://shop.example.com/a?b#c"}),
                "timeOffsetInMinutes": st.just(60),
            },
        ),
    },
    optional={
        "requestId": IDS,
        "impressionId": IDS,
        "execute": st.fixed_dictionaries({}, optional=EXECUTE),
        "prefetch": st.fixed_dictionaries({}, optional=PREFETCH),
    },
)
UNCOMMON_FIELDS = st.sampled_from(
    [
        *[{}] * 6,
        {"property": {"token": "p"}},
        {"context": {"channel": "web", "geo": {"city": "Bern"}}},
        {"id": {"customerIds": [{"id": "c", "integrationCode": "crm"}]}},
        {"id": None},
        {"context": None},
        {"telemetry": {"entries": []}},
        {"environmentId": 5},
        {"notifications": [{"id": "n", "type": "click", "timestamp": 1_600_000_000_000, "tokens": ["t"]}]},
    ]
)
OPTIONS = st.fixed_dictionaries({}, optional={"session_id": st.one_of(IDS, st.sampled_from(["", "a b", "x" * 129]))})
PROPERTY = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


class Recorder:
    """A pool manager that records the bodies of requests and answers them at once."""

    status, reason, headers, data = 200, "OK", {}, b"{}"

    def __init__(self):
        self.bodies = []

    def request(self, _method, _url, body=None, **_):
        self.bodies.append(json.loads(body))
        return self


def client_with(document, recorder, **options):
    return TargetClient.create(
        client="acmeclient",
        organization_id="1234567890@AdobeOrg",
        decisioning_method="on-device",
        artifact_payload=document,
        polling_interval=0,
        target_location_hint="28",
        telemetry_enabled=False,
        pool_manager=recorder,
        **options,
    )


def outcome(document, on_ordinary_path, call):
    """Return what ``call`` returned or raised, the bodies of the requests that were sent, and three counters.

    The time and the random bytes are the same for each call, so that outcomes can be compared.
    """
    numbers = itertools.count()

    def fixed_bytes(count):
        return bytes((next(numbers) + n) % 251 for n in range(count))

    fixed_time = types.SimpleNamespace(time=lambda: NOW, localtime=time.localtime, tzname=time.tzname)
    recorder = Recorder()
    with client_with(document, recorder) as client:
        if on_ordinary_path:
            client._common_calls = None
        with mock.patch.object(uuids, "_random_bytes", fixed_bytes), mock.patch.object(clock, "time", fixed_time):
            try:
                result = call(client)
            except Exception as error:  # noqa: BLE001 - compared
                result = repr(error)
            client.flush()
        stats = client.stats()
    return result, recorder.bodies, (stats["calls"], stats["failures"], stats["invalid_hints"])


@pytest.mark.slow
@PROPERTY
@given(ARTIFACTS, REQUESTS, UNCOMMON_FIELDS, OPTIONS)
def test_a_call_has_the_outcome_of_the_ordinary_path(document, request, uncommon, options):
    def call(client):
        model = DeliveryRequest.from_dict({**request, **uncommon})
        envelope = client.get_offers({"request": model, **options})
        return envelope, envelope.to_json(), envelope.session_id, model

    assert outcome(document, False, call) == outcome(document, True, call)


@pytest.mark.slow
@PROPERTY
@given(ARTIFACTS, REQUESTS, st.lists(st.sampled_from(NAMES), max_size=2))
@example(artifact(), {"id": {"tntId": "."}, "context": {"channel": "web"}}, ["home"])
def test_attributes_have_the_outcome_of_the_ordinary_path(document, request, names):
    def call(client):
        attributes = client.get_attributes(names, {"request": DeliveryRequest.from_dict(request)})
        return attributes.as_object(), attributes.get_response()

    assert outcome(document, False, call) == outcome(document, True, call)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"execute": None, "prefetch": {"mboxes": [{"name": "home", "index": 0}, {"name": "other", "index": 1}]}},
        {"execute": None, "prefetch": {"pageLoad": {}}},
    ],
)
def test_common_calls_do_not_take_the_ordinary_path(changes):
    with client_with(artifact(home=halves()), Recorder()) as client:
        client._prepare = client._parse_call = None
        answer = client.get_offers({"request": DeliveryRequest.from_dict({**A_REQUEST, **changes})})
        assert answer.meta["decisioning_method"] == "on-device"
        assert client.get_offers({"request": DeliveryRequest.from_dict(A_REQUEST), "session_id": "s"}).session_id == "s"


def test_a_common_call_that_takes_too_long_fails_and_is_counted():
    with client_with(artifact(home=[rule("A")]), Recorder(), timeout=1) as client:
        client._processes.get().settings = client._settings._replace(timeout=-1.0)
        with pytest.raises(DeadlineExceeded):
            client.get_offers({"request": DeliveryRequest.from_dict(A_REQUEST)})
        assert client.stats()["failures"] == 1


@pytest.mark.parametrize("where", ["client", "class", "base class"])
def test_a_replaced_send_notifications_gets_the_displays_of_a_common_call(where, monkeypatch):
    received = []
    with client_with(artifact(home=[rule("A")]), Recorder()) as client:
        if where == "client":
            client.send_notifications = received.append
        else:
            owner = TargetClient if where == "class" else ClientCalls
            monkeypatch.setattr(owner, "send_notifications", lambda _, options: received.append(options))
        client.get_offers({"request": DeliveryRequest.from_dict(A_REQUEST)})
        client.flush()
    ((notification,),) = [sent["request"].notifications for sent in received]
    assert (notification.type, notification.mbox.name) == ("display", "home")
