"""The Experience Cloud visitor: ids of the cookie, supplemental data ids, customer ids, and the state for the page."""

import copy
import json
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_python_sdk import AuthState, ExperienceCloudVisitor
from target_python_sdk.errors import OptionError
from target_python_sdk.types import AuthenticatedState, CustomerId
from tests.support import switching_often

ORGANIZATION = "1234567890@AdobeOrg"
COOKIE = "-133|MCMID|41782|MCAAMLH-4000000000|9|MCAAMB-4000000000|blob-1|MCOPTOUT-4000000000s|NONE|MCAID|2C-4D"
DATA_ID = re.compile("[0-9A-F]{16}-[0-9A-F]{16}")


def visitor(*arguments, **keywords):
    return ExperienceCloudVisitor(ORGANIZATION, *arguments, **keywords)


def sdid(one):
    return one.get_state()[ORGANIZATION]["sdid"]


# The cookie


@pytest.mark.parametrize("cookie", [COOKIE, COOKIE.encode(), f"mbox=a; AMCV_1234567890%40AdobeOrg={COOKIE}"])
def test_the_ids_of_the_cookie_are_read(cookie):
    one = visitor(cookie)
    assert one.get_visitor_values() == {"MCMID": "41782", "MCAAMLH": "9", "MCAAMB": "blob-1", "MCAID": "2C-4D"}
    assert (one.experience_cloud_id, one.analytics_id, one.is_opted_out) == ("41782", "2C-4D", False)
    assert one.organization_id == ORGANIZATION


@pytest.mark.parametrize("cookie", [None, "", "garbage"])
def test_without_a_usable_cookie_there_are_no_ids(cookie):
    one = visitor(cookie)
    assert one.get_visitor_values() == {}
    assert (one.experience_cloud_id, one.analytics_id, one.is_opted_out) == (None, None, False)


def test_a_visitor_who_opted_out_has_no_ids():
    one = visitor(COOKIE.replace("NONE", "global"))
    assert (one.experience_cloud_id, one.analytics_id, one.is_opted_out) == (None, None, True)


def test_changing_the_returned_values_does_not_change_the_visitor():
    one = visitor(COOKIE)
    one.get_visitor_values().clear()
    one.get_state()[ORGANIZATION].clear()
    assert one.experience_cloud_id == "41782"
    assert set(sdid(one)) == {"supplementalDataIDCurrentConsumed", "supplementalDataIDLastConsumed"}


def test_the_representation_shows_no_ids():
    one = visitor(COOKIE, {"crm": "4711"})
    used = one.get_supplemental_data_id("hero")
    assert repr(one) == "<ExperienceCloudVisitor of 1234567890@AdobeOrg>"
    assert used not in repr(one)


# Supplemental data ids


def test_different_consumers_get_the_same_id():
    one = visitor()
    ids = [one.get_supplemental_data_id(consumer) for consumer in ("hero", "footer", "menu")]
    assert DATA_ID.fullmatch(ids[0])
    assert ids == [ids[0]] * 3
    assert sdid(one) == {
        "supplementalDataIDCurrent": ids[0],
        "supplementalDataIDCurrentConsumed": {"payload:hero": True, "payload:footer": True, "payload:menu": True},
        "supplementalDataIDLastConsumed": {},
    }


def test_a_consumer_that_asks_again_gets_a_new_id():
    one = visitor()
    first = [one.get_supplemental_data_id("hero"), one.get_supplemental_data_id("footer")]
    second = [one.get_supplemental_data_id("hero"), one.get_supplemental_data_id("menu")]
    assert (first[0], second[0]) == (first[1], second[1])
    assert first[0] != second[0]
    assert sdid(one) == {
        "supplementalDataIDCurrent": second[0],
        "supplementalDataIDCurrentConsumed": {"payload:hero": True, "payload:menu": True},
        "supplementalDataIDLast": first[0],
        "supplementalDataIDLastConsumed": {"payload:hero": True, "payload:footer": True},
    }


def test_the_default_consumer_is_the_global_mbox():
    one = visitor()
    one.get_supplemental_data_id()
    assert sdid(one)["supplementalDataIDCurrentConsumed"] == {"payload:target-global-mbox": True}


def test_the_state_has_no_id_before_the_first_consumer():
    assert visitor().get_state() == {
        ORGANIZATION: {"sdid": {"supplementalDataIDCurrentConsumed": {}, "supplementalDataIDLastConsumed": {}}}
    }


def test_consumers_in_several_threads_get_the_same_id():
    one = visitor()
    with switching_often(), ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(one.get_supplemental_data_id, [f"mbox-{number}" for number in range(400)]))
        again = list(pool.map(one.get_supplemental_data_id, ["hero"] * 100))
    assert len(set(ids)) == 1
    assert len(set(again)) == 100  # no two calls for the same consumer share an id


@given(st.lists(st.sampled_from("abcd"), max_size=12))
@settings(max_examples=50)
def test_no_consumer_gets_an_id_twice(consumers):
    one, used = visitor(), set()
    for consumer in consumers:
        used.add((consumer, one.get_supplemental_data_id(consumer)))
    assert len(used) == len(consumers)
    assert json.loads(json.dumps(one.get_state())) == one.get_state()


# Customer ids

CRM = {"crm": {"id": "4711", "authState": 1}}


@pytest.mark.parametrize(
    "given_",
    [
        CRM,
        {"crm": {"id": 4711, "authState": "1"}},
        {"crm": {"id": "4711", "authState": AuthState.AUTHENTICATED}},
        [CustomerId("4711", "crm", AuthenticatedState.AUTHENTICATED)],
        [{"id": "4711", "integrationCode": "crm", "authenticatedState": "authenticated"}],
    ],
)
def test_customer_ids_are_in_the_state(given_):
    assert visitor(customer_ids=given_).get_state()[ORGANIZATION]["customerIDs"] == CRM


@pytest.mark.parametrize(("given_", "state"), [("4711", 0), ({"id": "4711", "authState": 2}, 2)])
def test_the_authentication_state_of_a_customer_id_is_kept(given_, state):
    ids = visitor(customer_ids={"crm": given_}).get_state()[ORGANIZATION]["customerIDs"]
    assert ids == {"crm": {"id": "4711", "authState": state}}


def test_a_customer_id_without_an_integration_code_is_not_in_the_state():
    without_code = {"id": "1", "integration": "crm", "authenticatedState": "authenticated"}
    ids = visitor(customer_ids=[without_code, CustomerId("4711", "crm", AuthenticatedState.AUTHENTICATED)])
    assert ids.get_state()[ORGANIZATION]["customerIDs"] == CRM


# An earlier state


def test_a_visitor_continues_with_the_state_of_another_one():
    before = visitor(customer_ids=CRM)
    for consumer in ("hero", "hero", "menu"):
        before.get_supplemental_data_id(consumer)
    state = json.loads(json.dumps(before.get_state()))
    after = visitor(state=state)
    assert after.get_state() == state
    current = sdid(before)["supplementalDataIDCurrent"]
    assert after.get_supplemental_data_id("footer") == current
    assert after.get_supplemental_data_id("menu") != current
    assert state == before.get_state()  # the given state was not changed


def test_new_customer_ids_replace_those_of_a_state():
    state = visitor(customer_ids=CRM).get_state()
    assert "customerIDs" not in visitor(customer_ids=[], state=state).get_state()[ORGANIZATION]


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"other@AdobeOrg": {"sdid": {"supplementalDataIDCurrent": "A" * 33}}},
        {ORGANIZATION: None},
        {ORGANIZATION: {"sdid": ["x"]}},
        {ORGANIZATION: {"sdid": {"supplementalDataIDCurrent": "</script>", "supplementalDataIDLast": 5}}},
        {ORGANIZATION: {"sdid": {"supplementalDataIDCurrentConsumed": {"payload:hero": True}}}},
    ],
)
def test_unusable_parts_of_a_state_are_ignored(saved):
    one = visitor(state=saved)
    assert sdid(one) == {"supplementalDataIDCurrentConsumed": {}, "supplementalDataIDLastConsumed": {}}
    assert DATA_ID.fullmatch(one.get_supplemental_data_id("hero"))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_visitor_can_be_copied_and_pickled(copied):
    one = visitor(COOKIE, CRM)
    one.get_supplemental_data_id("hero")
    assert copied(one).get_state() == one.get_state()
    assert copied(one).experience_cloud_id == "41782"


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((None,), "Invalid argument 'organization_id': expected text such as '1234567890@AdobeOrg', got None"),
        (("",), "Invalid argument 'organization_id': expected text"),
        ((ORGANIZATION, 41782), "Invalid argument 'cookie': expected the value of a cookie, or a Cookie header"),
        ((ORGANIZATION, None, None, "state"), "Invalid argument 'state': expected a dict that get_state returned"),
        ((ORGANIZATION, None, {"crm": {"id": "4711", "authState": 7}}), "authState'.: expected 0, 1 or 2, got an int"),
    ],
)
def test_an_invalid_argument_is_refused(arguments, text):
    with pytest.raises(OptionError, match=text) as caught:
        ExperienceCloudVisitor(*arguments)
    assert "4711" not in str(caught.value)
    assert "41782" not in str(caught.value)
