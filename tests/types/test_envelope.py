"""``TargetDeliveryResponse``: a dict that can be read by attribute."""

import copy
import json
import pickle

import pytest

from target_python_sdk.types import DeliveryRequest, DeliveryResponse, TargetCookie, TargetDeliveryResponse

KEYS = [
    "visitor_state",
    "request",
    "target_cookie",
    "target_location_hint_cookie",
    "analytics_details",
    "trace",
    "response_tokens",
    "meta",
    "response",
]

COOKIE: TargetCookie = {"name": "mbox", "value": "session#s1#1", "maxAge": 1860, "max_age": 1860}


@pytest.fixture
def envelope() -> TargetDeliveryResponse:
    return TargetDeliveryResponse(
        request=DeliveryRequest(request_id="r1"),
        response=DeliveryResponse(status=200),
        target_cookie=COOKIE,
        session_id="s1",
    )


def test_an_empty_envelope_has_only_the_visitor_state():
    assert TargetDeliveryResponse() == {"visitor_state": None}


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_an_attribute(key):
    value = object()
    full = TargetDeliveryResponse(**{key: value})
    assert full[key] is value and full.get(key) is value and key in full
    assert getattr(full, key) is value
    assert getattr(TargetDeliveryResponse(), key) is None


@pytest.mark.parametrize("key", KEYS)
def test_writing_an_attribute_writes_the_key(key):
    envelope = TargetDeliveryResponse()
    setattr(envelope, key, 1)
    assert envelope[key] == 1
    setattr(envelope, key, None)
    assert envelope == {"visitor_state": None}


def test_keys_come_in_the_documented_order():
    assert list(TargetDeliveryResponse(**dict.fromkeys(reversed(KEYS), 1))) == KEYS


def test_empty_lists_are_kept():
    assert TargetDeliveryResponse(response_tokens=[], trace=[]) == {
        "visitor_state": None,
        "response_tokens": [],
        "trace": [],
    }


def test_the_session_id_is_an_attribute_and_not_a_key(envelope):
    assert envelope.session_id == "s1"
    assert "session_id" not in envelope


def test_an_envelope_is_a_dict_and_equal_to_a_plain_one(envelope):
    assert isinstance(envelope, dict)
    assert envelope == dict(envelope)


def test_an_envelope_can_be_written_as_json_if_its_values_can():
    assert json.loads(json.dumps(TargetDeliveryResponse(target_cookie=COOKIE)))["target_cookie"]["maxAge"] == 1860


@pytest.mark.parametrize(
    "make_copy", [copy.copy, copy.deepcopy, lambda each: each.copy(), lambda each: pickle.loads(pickle.dumps(each))]
)
def test_a_copy_is_an_envelope_of_the_same_session(envelope, make_copy):
    twin = make_copy(envelope)
    assert type(twin) is TargetDeliveryResponse
    assert twin == envelope and twin is not envelope
    assert twin.session_id == "s1"
    twin.trace = [{}]
    assert "trace" not in envelope


def test_an_unknown_keyword_is_dropped():
    assert TargetDeliveryResponse(status=200, meta={}) == {"visitor_state": None, "meta": {}}


def test_only_keywords_are_accepted():
    with pytest.raises(TypeError):
        TargetDeliveryResponse({"visitor_state": None})


def test_a_missing_key_is_an_error_with_a_hint():
    envelope = TargetDeliveryResponse()
    with pytest.raises(KeyError, match=r"has no key .execute.; did you mean .response\.execute."):
        envelope["execute"]
    with pytest.raises(KeyError, match="did you mean 'response_tokens'"):
        envelope["response_token"]


@pytest.mark.parametrize("key", ["trace", 5, None])
def test_a_documented_key_without_a_value_is_a_plain_key_error(key):
    with pytest.raises(KeyError) as caught:
        TargetDeliveryResponse()[key]
    assert caught.value.args == (key,)
