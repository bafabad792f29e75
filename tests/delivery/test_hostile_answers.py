"""For any answer of an edge, a call returns an envelope or raises an SDK error."""

import copy
import json
import random

import pytest

from target_python_sdk.delivery.call_options import call_options
from target_python_sdk.delivery.exchange import delivery_request, request_edge
from target_python_sdk.delivery.options import client_settings
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.errors import DeliveryError
from target_python_sdk.prepared_call import build_envelope
from target_python_sdk.types import TargetDeliveryResponse
from target_tools.attributes_provider import AttributesProvider
from target_tools.clock import Deadline
from target_tools.enums import DecisioningMethod
from target_tools.http.messages import HttpReply, Timings
from target_tools.logger import Log
from tests.support import ANSWER, offers

SEED = 20261122
OPTION = {"type": "json", "content": {"a": [1, None]}, "eventToken": "t", "responseTokens": {"x": "y"}}
ELEMENT = {
    "name": "home",
    "index": 0,
    "options": [OPTION],
    "metrics": [{"type": "click", "eventToken": "t", "analytics": {"payload": {"pe": "tnt", "tnta": "x"}}}],
    "analytics": {"payload": {"pe": "tnt", "tnta": "x"}},
    "trace": {"a": {}},
    "state": "s",
}
FULL = {
    **ANSWER,
    "id": {"tntId": "v.35_0", "customerIds": [{"id": "1", "integrationCode": "c", "authenticatedState": "unknown"}]},
    "execute": {"pageLoad": ELEMENT, "mboxes": [ELEMENT, ELEMENT]},
    "prefetch": {"pageLoad": ELEMENT, "views": [{**ELEMENT, "key": "k"}], "mboxes": [ELEMENT], "metrics": []},
    "notifications": [{"id": "n"}],
    "telemetryServerToken": "t",
}
STRANGE = [
    None,
    True,
    0,
    -1,
    1e308,
    10**30,
    "",
    "\ud800",
    "\x00",
    "x" * 5000,
    "mboxedge@evil.com",
    "abc.@evil.com/_0",
    [],
    [None],
    [[[]]],
    {},
    {"__proto__": {}},
    {"a": {"b": [1]}},
    [5, "a", {}],
]


def places(value, path=()):
    """Yield the path of every node of ``value``."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def strange_document(rng):
    """Return an answer in which a few nodes have been replaced or renamed."""
    document = copy.deepcopy(FULL)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(list(places(document)))
        if not path:
            return copy.deepcopy(rng.choice(STRANGE))
        parent = document
        for step in path[:-1]:
            parent = parent[step]
        if isinstance(parent, dict) and rng.random() < 0.2:
            parent[rng.choice(["", "$_type", "__class__", path[-1] * 2])] = parent.pop(path[-1])
        else:
            parent[path[-1]] = copy.deepcopy(rng.choice(STRANGE))
    return document


def strange_bytes(rng, document):
    """Return the JSON of ``document``, half of the time with a few bytes inserted, removed or repeated."""
    body = bytearray(json.dumps(document).encode())
    if rng.random() < 0.5:
        return bytes(body)
    for _ in range(rng.randint(1, 4)):
        position = rng.randrange(len(body) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            del body[position:]
        elif kind == 1:
            body[position:position] = bytes([rng.randrange(256)])
        elif kind == 2:
            body[position : position + rng.randrange(9)] = b""
        else:
            body[position:position] = body[position : position + 40] * rng.randint(1, 3)
    return bytes(body)


SETTINGS = client_settings({"client": "acme", "organization_id": "1@AdobeOrg"}, Log())
CALL = call_options(offers(), SETTINGS, Log())


def outcome(body, status=200):
    """Return the envelope of a call that the edge answers with ``body``. Raises ``DeliveryError``."""
    reply = HttpReply(status, "OK", {}, body, Timings())
    prepared = prepare_request(CALL, SETTINGS, None, Log())
    request = delivery_request(prepared, SETTINGS)
    response = request_edge(prepared, request, lambda *_: reply, Deadline.after(60)).response
    return build_envelope(prepared, response, DecisioningMethod.SERVER_SIDE)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1000, pytest.param(100000, marks=pytest.mark.fuzz)])
def test_mutated_answers_become_an_envelope_or_an_sdk_error(count):
    rng = random.Random(SEED)
    seen = {"envelopes": 0, "errors": 0}
    for _ in range(count):
        body = strange_bytes(rng, strange_document(rng))
        status = rng.choice([200, 200, 200, 206, 400, 503])
        try:
            envelope = outcome(body, status)
        except DeliveryError as error:
            assert str(error)
            seen["errors"] += 1
        else:
            assert isinstance(envelope, TargetDeliveryResponse)
            assert set(envelope["target_cookie"]["value"]) <= set(map(chr, range(33, 127)))
            envelope["response"].to_dict()
            repr(envelope["response"])
            AttributesProvider(envelope).as_object()
            seen["envelopes"] += 1
    assert min(seen.values()) > count / 10


def test_every_part_of_an_answer_is_read():
    envelope = outcome(json.dumps(FULL).encode())
    response = envelope["response"]
    assert response.to_dict(by_alias=True, exclude_none=True)["prefetch"]["views"][0]["key"] == "k"
    assert len(envelope["analytics_details"]) == 6
    assert len(envelope["response_tokens"]) == 6
    assert AttributesProvider(envelope).get_value("home", "a") == [1, None]
