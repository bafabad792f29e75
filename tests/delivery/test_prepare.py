"""The request that is sent: missing fields are filled in, and the caller's objects stay unchanged (B20 to B32)."""

import copy
import logging
import re
import time
import types
import uuid
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_python_sdk.delivery.call_options import call_options
from target_python_sdk.delivery.options import client_settings
from target_python_sdk.delivery.prepare import prepare_request, wire_request
from target_python_sdk.errors import OptionError
from target_python_sdk.types import (
    AnalyticsRequest,
    AudienceManager,
    AuthenticatedState,
    Context,
    CustomerId,
    DeliveryRequest,
    ExecuteRequest,
    ExperienceCloud,
    MboxRequest,
    ModelProperty,
    Notification,
    NotificationMbox,
    PrefetchRequest,
    RequestDetails,
    Trace,
    ViewRequest,
    VisitorId,
)
from target_tools.logger import Log

ORGANIZATION = "1234567890@AdobeOrg"
LOG = Log()


def prepare(request=None, *, hint=None, client_options=None, log=LOG, **options):
    settings = client_settings({"client": "acme", "organization_id": ORGANIZATION, **(client_options or {})}, log)
    call = call_options({"request": request or DeliveryRequest(), **options}, settings, log)
    return prepare_request(call, settings, hint, log)


def request_to_send(request=None, **options):
    return prepare(request, **options).request


def wire_json(request=None, **options):
    return wire_request(request_to_send(request, **options), None).to_json()


def execute_request(*mboxes):
    return DeliveryRequest(execute=ExecuteRequest(mboxes=list(mboxes)))


# The visitor's session


def test_a_current_session_in_the_cookie_has_priority():
    assert prepare(target_cookie="session#cookie#4000000000", session_id="option").session_id == "cookie"


def test_without_a_current_cookie_the_option_sets_the_session():
    assert prepare(target_cookie="session#cookie#1", session_id="option").session_id == "option"


def test_without_cookie_and_option_a_session_is_generated():
    first, second = prepare().session_id, prepare().session_id
    assert first != second
    assert len(first) == 36
    assert first[14] == "4"


@pytest.mark.parametrize("session", ["a b", "a/b", "a?b", "x" * 129, "a\x00b", "a\nb", "\ud800", "a\u2028b", "\u202e"])
def test_an_invalid_session_id_is_replaced_by_the_same_uuid_each_time(session, caplog):
    caplog.set_level(logging.INFO)
    first, second = (prepare(session_id=session).session_id for _ in range(2))
    assert first == second
    assert len(first) == 36
    assert first[14] == "5"
    assert "replaced by its uuid5" in caplog.text
    assert session not in caplog.text


@pytest.mark.parametrize("session", ["a", "x" * 128, "Sitzung-ä", "!#$%&'()*+,-.:;<=>@[]^_`{|}~"])
def test_a_valid_session_id_is_kept(session):
    assert prepare(session_id=session).session_id == session


@pytest.mark.parametrize(("given_", "expected"), [(b"bytes", "bytes"), (12, "12")])
def test_a_session_id_may_be_bytes_or_a_number(given_, expected):
    assert prepare(session_id=given_).session_id == expected


def test_a_cookie_in_bytes_is_read():
    read = prepare(target_cookie=b"session#cookie#4000000000|PC#device.28_0#4000000000")
    assert (read.session_id, read.request.id.tnt_id) == ("cookie", "device.28_0")


# The visitor's ids


def test_the_device_id_in_the_cookie_sets_tnt_id_and_cluster():
    assert request_to_send(target_cookie="PC#device.28_0#4000000000").id.tnt_id == "device.28_0"
    assert prepare(target_cookie="PC#device.28_0#4000000000").cluster == "28"


def test_the_tnt_id_of_the_request_has_priority():
    request = DeliveryRequest(id=VisitorId(tnt_id="own.31_0"))
    assert request_to_send(request, target_cookie="PC#device#4000000000").id.tnt_id == "own.31_0"


@pytest.mark.parametrize("device", ["x" * 129, "a b", "a%0D%0Ab", "%00", "%ED%A0%80"])
def test_an_invalid_device_id_in_the_cookie_is_ignored(device):
    assert request_to_send(target_cookie=f"PC#{device}#4000000000").id == VisitorId()


def test_b29_an_empty_id_is_in_the_envelope_but_not_sent():
    assert request_to_send().id == request_to_send(DeliveryRequest(id=VisitorId())).id == VisitorId()
    assert "id" not in wire_json()
    assert "id" not in wire_json(DeliveryRequest(id=VisitorId()))


def test_b21_one_request_object_can_be_used_for_many_visitors():
    request = execute_request(MboxRequest(name="home"))
    request.id, request.context = VisitorId(third_party_id="x"), Context(channel="web")
    before = copy.deepcopy(request)
    first = request_to_send(request, target_cookie="PC#visitor-a#4000000000")
    second = request_to_send(request, target_cookie="PC#visitor-b#4000000000")
    assert (first.id.tnt_id, second.id.tnt_id) == ("visitor-a", "visitor-b")
    assert request == before


def test_b21_arguments_of_the_caller_are_not_modified():
    request = DeliveryRequest(
        id=VisitorId(customer_ids=[CustomerId(id="1", integration_code="c", authenticated_state="unknown")]),
        context=Context(channel="desktop"),
        experience_cloud=ExperienceCloud(analytics=AnalyticsRequest(), audience_manager=AudienceManager()),
        execute=ExecuteRequest(mboxes=[MboxRequest(name="a"), MboxRequest()]),
        prefetch=PrefetchRequest(mboxes=[MboxRequest(name="a")], views=[ViewRequest()]),
        notifications=[Notification(id="1", type="click", timestamp=1), Notification()],
        _property=ModelProperty(token="own"),
        trace=Trace(authorization_token="t"),
    )
    options = {"customer_ids": {"crm": "77"}, "target_cookie": "PC#x#4000000000", "session_id": "s"}
    before, options_before = copy.deepcopy(request), copy.deepcopy(options)
    request_to_send(request, **options)
    assert request == before
    assert options == options_before


# Customer ids


@pytest.mark.parametrize(
    "given_",
    [
        [CustomerId(id="77", integration_code="crm", authenticated_state="authenticated")],
        [{"id": "77", "integrationCode": "crm", "authenticatedState": "authenticated"}],
        {"crm": {"id": "77", "authState": 1}},
        {"crm": {"id": "77", "authState": "1"}},
        {"crm": {"id": 77, "auth_state": 1}},
    ],
)
def test_b25_customer_ids_are_in_the_request_and_in_the_visitor_state(given_):
    call = prepare(customer_ids=given_)
    assert [each.to_dict() for each in call.request.id.customer_ids] == [
        {"id": "77", "integration_code": "crm", "authenticated_state": "authenticated"}
    ]
    assert call.visitor_state[ORGANIZATION]["customerIDs"] == {"crm": {"id": "77", "authState": 1}}


def test_customer_ids_without_an_experience_cloud_id_are_not_sent(caplog):
    own = CustomerId(id="1", integration_code="own", authenticated_state="unknown")
    with caplog.at_level(logging.DEBUG, LOG.logger.name):
        assert "id" not in wire_json(customer_ids={"crm": "77"})
        assert wire_json(DeliveryRequest(id=VisitorId(tnt_id="a", customer_ids=[own])))["id"] == {"tntId": "a"}
        known = VisitorId(marketing_cloud_visitor_id="4" * 38, customer_ids=[own])
        assert len(wire_json(DeliveryRequest(id=known))["id"]["customerIds"]) == 1
    assert [record.levelname for record in caplog.records] == ["DEBUG", "DEBUG"]
    assert "the visitor has no Experience Cloud id" in caplog.text


def test_b25_a_customer_id_without_a_state_is_sent_as_unknown():
    (each,) = request_to_send(customer_ids={"crm": "77"}).id.customer_ids
    assert each.authenticated_state == AuthenticatedState.UNKNOWN


def test_b25_customer_ids_of_the_option_and_of_the_request_are_sent():
    own = CustomerId(id="1", integration_code="own", authenticated_state="unknown")
    ids = request_to_send(DeliveryRequest(id=VisitorId(customer_ids=[own])), customer_ids={"crm": "77"}).id.customer_ids
    assert [each.integration_code for each in ids] == ["crm", "own"]


@pytest.mark.parametrize(
    "given_",
    [
        "77",
        77,
        [77],
        {"crm": {"id": "77", "authState": 7}},
        {"crm": None},
        {"crm": {}},
        {5: "77"},
        {"crm": "7" * 129},
        {"c" * 51: "77"},
    ],
)
def test_invalid_customer_ids_are_refused(given_):
    with pytest.raises(OptionError) as caught:
        prepare(customer_ids=given_)
    assert caught.value.option.startswith("customer_ids")


# The Experience Cloud


class Visitor:
    """A visitor with the methods that 1.1.0 used."""

    def __init__(self, **values):
        self.values = values
        self.consumers = []

    def get_visitor_values(self):
        return self.values

    def get_state(self):
        return {ORGANIZATION: {"customerIDs": {"crm": {"id": "77", "authState": 1}}}}

    def get_supplemental_data_id(self, consumer_id):
        self.consumers.append(consumer_id)
        return "0123456789ABCDEF-0123456789ABCDEF"


def test_b28_a_visitor_object_adds_its_ids():
    call = prepare(visitor=Visitor(MCMID="mid", MCAAMLH="9", MCAAMB="blob"))
    assert call.request.id.marketing_cloud_visitor_id == "mid"
    assert [each.id for each in call.request.id.customer_ids] == ["77"]
    assert call.request.experience_cloud.audience_manager == AudienceManager(location_hint=9, blob="blob")
    assert call.visitor_state == Visitor().get_state()


@pytest.mark.parametrize(
    "values",
    [
        {"MCMID": "m" * 129, "MCAAMLH": "0", "MCAAMB": "b" * 1025},
        {"MCMID": 5, "MCAAMLH": float("inf"), "MCAAMB": b"b"},
        {"MCMID": "", "MCAAMLH": "nine", "MCAAMB": ""},
        ["MCMID"],
        None,
    ],
)
def test_invalid_values_of_a_visitor_object_are_ignored(values):
    visitor = Visitor()
    visitor.values = values
    visitor.get_supplemental_data_id = lambda consumer: "short"
    visitor.get_state = dict
    out = request_to_send(visitor=visitor)
    assert out.id == VisitorId()
    assert out.experience_cloud.audience_manager is None
    assert out.experience_cloud.analytics.supplemental_data_id is None


@pytest.mark.parametrize(("identity", "tnt_id"), [({"tnt_id": 5}, 5), ({"tntId": "x" * 200}, "x" * 200)])
def test_ids_in_a_dict_are_sent_unchanged(identity, tnt_id):
    assert request_to_send(DeliveryRequest(id=identity), target_cookie="PC#x#4000000000").id.tnt_id == tnt_id


def test_ids_in_the_request_have_priority_over_a_visitor_object():
    request = DeliveryRequest(
        id=VisitorId(marketing_cloud_visitor_id="own"),
        experience_cloud=ExperienceCloud(audience_manager=AudienceManager(location_hint=1, blob="own")),
    )
    out = request_to_send(request, visitor=Visitor(MCMID="mid", MCAAMLH="9", MCAAMB="blob"))
    assert out.id.marketing_cloud_visitor_id == "own"
    assert out.experience_cloud.audience_manager == AudienceManager(location_hint=1, blob="own")


@pytest.mark.parametrize("visitor", [None, Visitor()])
def test_b20_the_callers_supplemental_data_id_is_kept(visitor):
    own = "AAAAAAAAAAAAAAAA-BBBBBBBBBBBBBBBB"
    cloud = ExperienceCloud(analytics=AnalyticsRequest(supplemental_data_id=own, logging="client_side"))
    out = request_to_send(DeliveryRequest(experience_cloud=cloud), visitor=visitor).experience_cloud.analytics
    assert (out.supplemental_data_id, out.logging) == (own, "client_side")


@pytest.mark.parametrize(("given_", "consumers"), [(None, "target-global-mbox"), ("checkout", "checkout")])
def test_b27_the_default_consumer_is_the_global_mbox(given_, consumers):
    visitor = Visitor()
    out = request_to_send(visitor=visitor, consumer_id=given_)
    assert visitor.consumers == [consumers]
    assert out.experience_cloud.analytics.supplemental_data_id == "0123456789ABCDEF-0123456789ABCDEF"


def test_the_visitor_state_has_the_new_supplemental_data_id():
    """Like the other SDKs, this one sends a supplemental data id even without an Experience Cloud visitor."""
    first, second = prepare(), prepare(consumer_id="checkout", customer_ids={"crm": "77"})
    ids = [call.request.experience_cloud.analytics.supplemental_data_id for call in (first, second)]
    assert [re.fullmatch("[0-9A-F]{16}-[0-9A-F]{16}", each) is not None for each in ids] == [True, True]
    assert ids[0] != ids[1]
    assert first.visitor_state == {ORGANIZATION: {"sdid": data_id_state(ids[0], "target-global-mbox")}}
    assert second.visitor_state == {
        ORGANIZATION: {
            "sdid": data_id_state(ids[1], "checkout"),
            "customerIDs": {"crm": {"id": "77", "authState": 0}},
        }
    }


def data_id_state(data_id, consumer):
    return {
        "supplementalDataIDCurrent": data_id,
        "supplementalDataIDCurrentConsumed": {f"payload:{consumer}": True},
        "supplementalDataIDLastConsumed": {},
    }


def test_the_visitor_state_is_none_if_the_caller_gives_the_supplemental_data_id():
    cloud = ExperienceCloud(analytics=AnalyticsRequest(supplemental_data_id="AAAAAAAAAAAAAAAA-BBBBBBBBBBBBBBBB"))
    assert prepare(DeliveryRequest(experience_cloud=cloud)).visitor_state is None


def test_a_visitor_object_without_supplemental_data_ids_sends_none():
    visitor = types.SimpleNamespace(get_visitor_values=lambda: {"MCMID": "mid"})
    call = prepare(visitor=visitor)
    assert call.request.id.marketing_cloud_visitor_id == "mid"
    assert call.request.experience_cloud.analytics.supplemental_data_id is None
    assert call.visitor_state is None


def test_analytics_logging_is_server_side_by_default():
    analytics = wire_json()["experienceCloud"]["analytics"]
    assert (set(analytics), analytics["logging"]) == ({"logging", "supplementalDataId"}, "server_side")


# The cookie of the Experience Cloud visitor

AMCV = "-133|MCMID|41782|MCAAMLH-4000000000|9|MCAAMB-4000000000|blob-1|MCOPTOUT-4000000000s|NONE"


@pytest.mark.parametrize("given_", [AMCV, f"mbox=x; AMCV_{quote(ORGANIZATION)}={quote(AMCV)}; b=c", AMCV.encode()])
def test_the_ids_in_a_visitor_cookie_are_sent(given_):
    body = wire_json(visitor_cookie=given_, customer_ids={"crm": {"id": "77", "authState": 1}})
    assert body["id"]["marketingCloudVisitorId"] == "41782"
    assert [one["authenticatedState"] for one in body["id"]["customerIds"]] == ["authenticated"]
    assert body["experienceCloud"]["audienceManager"] == {"locationHint": 9, "blob": "blob-1"}
    assert body["experienceCloud"]["analytics"]["supplementalDataId"]


def test_ids_in_the_request_have_priority_over_the_visitor_cookie():
    request = DeliveryRequest(
        id=VisitorId(marketing_cloud_visitor_id="own"),
        experience_cloud=ExperienceCloud(audience_manager=AudienceManager(blob="own")),
    )
    out = request_to_send(request, visitor_cookie=AMCV)
    assert out.id.marketing_cloud_visitor_id == "own"
    assert out.experience_cloud.audience_manager == AudienceManager(location_hint=9, blob="own")
    assert request.id == VisitorId(marketing_cloud_visitor_id="own")


def test_a_visitor_object_has_priority_over_the_visitor_cookie():
    assert request_to_send(visitor=Visitor(MCMID="mid"), visitor_cookie=AMCV).id.marketing_cloud_visitor_id == "mid"


def test_the_ids_of_a_visitor_who_opted_out_are_not_sent():
    body = wire_json(visitor_cookie=AMCV.replace("NONE", "global"))
    assert "id" not in body
    assert "audienceManager" not in body["experienceCloud"]


def test_a_visitor_cookie_of_another_organization_is_logged_once(caplog):
    caplog.set_level(logging.INFO, LOG.logger.name)
    log = Log()
    for _ in range(2):
        assert request_to_send(visitor_cookie=f"AMCV_other%40AdobeOrg={AMCV}", log=log).id == VisitorId()
    assert caplog.messages == ["A visitor_cookie has no current ids for the organization 1234567890@AdobeOrg"]
    request_to_send(visitor_cookie="mbox=x; session=y", log=Log())
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("given_", [7, ["AMCV_x=1"], {"AMCV_x": "1"}])
def test_a_visitor_cookie_that_is_not_text_is_refused(given_):
    with pytest.raises(OptionError, match="'visitor_cookie': expected the value of the AMCV cookie"):
        prepare(visitor_cookie=given_)


# Defaults


def test_b24_given_values_are_kept():
    request = DeliveryRequest(
        request_id="own", environment_id=7, context=Context(channel="mobile", time_offset_in_minutes=-330)
    )
    out = request_to_send(request, client_options={"environment_id": 9})
    assert (out.request_id, out.environment_id, out.context.time_offset_in_minutes) == ("own", 7, -330)
    assert out.context.channel == "mobile"


def test_b24_missing_values_are_filled_in():
    out = request_to_send(client_options={"environment_id": 9})
    assert len(out.request_id) == 36
    assert out.environment_id == 9
    assert isinstance(out.context.time_offset_in_minutes, (int, float))


def test_b24_a_utc_offset_of_0_is_kept():
    request = DeliveryRequest(context=Context(channel="web", time_offset_in_minutes=0), environment_id=0)
    out = request_to_send(request, client_options={"environment_id": 9})
    assert (out.context.time_offset_in_minutes, out.environment_id) == (0, 0)


def test_d10_the_default_channel_is_web():
    assert wire_json()["context"]["channel"] == "web"
    assert wire_json()["context"]["beacon"] is False


def test_an_unknown_channel_is_sent_as_web():
    assert request_to_send(DeliveryRequest(context=Context(channel="telepathy"))).context.channel == "web"


@pytest.mark.parametrize(
    ("own", "default", "token"),
    [(None, None, None), (None, "client", "client"), ("own", "client", "own"), ("own", None, "own")],
)
def test_the_property_of_the_request_has_priority_over_that_of_the_client(own, default, token):
    request = DeliveryRequest(_property=None if own is None else ModelProperty(token=own))
    out = request_to_send(request, client_options={"property_token": default})
    assert (out._property.token if out._property else None) == token


def test_other_parts_of_the_request_are_sent_as_they_are():
    given_ = {
        "impressionId": "impression-1",
        "qaMode": {"token": "qa", "listedActivitiesOnly": True},
        "preview": {"token": "preview"},
        "telemetry": {"entries": [{"requestId": "r-1", "timestamp": 1, "execution": 1.5}]},
        "trace": {"authorizationToken": "trace"},
        "context": {"channel": "web", "beacon": True, "timeOffsetInMinutes": 60},
        "experienceCloud": {
            "analytics": {
                "supplementalDataId": "0123456789ABCDEF-0123456789ABCDEF",
                "logging": "client_side",
                "trackingServer": "metrics.example.com",
                "trackingServerSecure": "smetrics.example.com",
            }
        },
    }
    out = wire_json(DeliveryRequest.from_dict(given_))
    assert out.pop("requestId")
    assert out == given_


# Mboxes and notifications


def indexes(request):
    return [mbox.index for mbox in request_to_send(request).execute.mboxes]


def test_b26_mboxes_without_an_index_are_numbered():
    assert indexes(execute_request(MboxRequest(name="a"), MboxRequest(name="b"))) == [0, 1]


def test_b26_numbering_starts_after_the_highest_given_index():
    mboxes = [MboxRequest(name="a"), MboxRequest(name="b", index=5), MboxRequest(name="c")]
    assert indexes(execute_request(*mboxes)) == [6, 5, 7]
    assert indexes(execute_request(MboxRequest(name="a", index=0), MboxRequest(name="b"))) == [0, 1]


def test_b26_each_list_is_numbered_separately():
    request = DeliveryRequest(
        execute=ExecuteRequest(mboxes=[MboxRequest(name="a")]), prefetch=PrefetchRequest(mboxes=[MboxRequest(name="a")])
    )
    out = request_to_send(request)
    assert (out.execute.mboxes[0].index, out.prefetch.mboxes[0].index) == (0, 0)


def test_an_mbox_without_a_name_is_left_out_and_logged(caplog):
    out = request_to_send(
        execute_request(MboxRequest(name="a"), MboxRequest(parameters={"email": "secret"}), MboxRequest(name=""))
    )
    assert [mbox.name for mbox in out.execute.mboxes] == ["a"]
    assert caplog.text.count("Mbox validation failed for: ") == 2
    assert "secret" not in caplog.text


@pytest.mark.parametrize("name", [None, "", 5])
def test_a_request_whose_mboxes_have_no_names_is_an_error(name):
    mbox = MboxRequest.from_dict({"name": name})
    with pytest.raises(OptionError, match=r"^request\.execute\.mboxes\[0\]\.name: expected text that is not empty"):
        request_to_send(execute_request(mbox))
    request = DeliveryRequest(prefetch=PrefetchRequest(mboxes=[mbox]))
    with pytest.raises(OptionError, match=r"^request\.prefetch\.mboxes\[0\]\.name: expected text"):
        request_to_send(request)


def test_execute_without_a_valid_mbox_or_a_page_load_is_removed():
    prefetch = PrefetchRequest(views=[ViewRequest()])
    assert (
        request_to_send(DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest()]), prefetch=prefetch)).execute
        is None
    )
    request = DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest()], page_load=RequestDetails()))
    assert request_to_send(request).execute.to_dict(by_alias=True, exclude_none=True) == {"pageLoad": {}}


def test_b30_none_items_of_lists_are_ignored():
    request = DeliveryRequest(
        execute=ExecuteRequest(mboxes=[None, MboxRequest(name="a"), None]),
        notifications=[None, Notification(id="1", type="click", timestamp=1)],
    )
    out = request_to_send(request)
    assert ([mbox.name for mbox in out.execute.mboxes], [each.id for each in out.notifications]) == (["a"], ["1"])


UNSENDABLE = {
    "type": [
        ({"type": "hover"}, "expected 'click' or 'display', got a str (value not shown)"),
        ({"type": None}, "expected 'click' or 'display', got None"),
    ],
    "timestamp": [
        ({"timestamp": "1"}, "expected milliseconds since 1970, got a str (value not shown)"),
        ({"timestamp": True}, "expected milliseconds since 1970, got True"),
    ],
    "id": [
        ({"id": ["1"]}, "expected text, got a list of 1 item"),
    ],
}


@pytest.mark.parametrize(
    ("field", "fields", "problem"), [(field, *case) for field, cases in UNSENDABLE.items() for case in cases]
)
def test_b30_an_invalid_notification_is_an_error_if_sent_alone_and_otherwise_logged(field, fields, problem, caplog):
    bad = Notification(**{"id": "bad", "type": "click", "timestamp": 1, **fields})
    text = f"request.notifications[0].{field}: {problem}"
    with pytest.raises(OptionError) as caught:
        request_to_send(DeliveryRequest(notifications=[bad]))
    assert str(caught.value) == text
    assert not caplog.records

    good = Notification(id="good", type="click", timestamp=1700000000000, mbox=NotificationMbox(name="a"))
    out = request_to_send(DeliveryRequest(notifications=[bad, good]))
    assert [each.id for each in out.notifications] == ["good"]
    out = request_to_send(DeliveryRequest(execute=ExecuteRequest(page_load=RequestDetails()), notifications=[bad]))
    assert out.notifications is None
    assert [record.getMessage() for record in caplog.records] == [f"Notification validation failed for: {text}"] * 2


@pytest.mark.parametrize("timestamp", [0, -5, 1, 1700000000000])
def test_a_valid_notification_is_sent_unchanged(timestamp):
    original = Notification(id="1", type="display", timestamp=timestamp, mbox=NotificationMbox(name="a"))
    (out,) = request_to_send(DeliveryRequest(notifications=[original])).notifications
    assert out is original


def test_a_fraction_of_a_millisecond_is_rounded():
    original = Notification(id="1", type="display", timestamp=1700000000000.7, mbox=NotificationMbox(name="a"))
    (out,) = request_to_send(DeliveryRequest(notifications=[original])).notifications
    assert (out.timestamp, type(out.timestamp), original.timestamp) == (1700000000001, int, 1700000000000.7)


def test_a_missing_id_and_timestamp_are_filled_in():
    originals = [
        Notification(type="click"),
        Notification(type="display", id="", tokens=["t"]),
        Notification(type="click"),
    ]
    before = int(time.time() * 1000)
    out = request_to_send(DeliveryRequest(notifications=originals)).notifications
    assert all(before <= each.timestamp <= time.time() * 1000 for each in out)
    assert len({uuid.UUID(each.id) for each in out}) == 3
    assert [each.type for each in out] == ["click", "display", "click"]
    assert out[1].tokens == ["t"]
    assert [(each.id, each.timestamp) for each in originals] == [(None, None), ("", None), (None, None)]


def test_a_timestamp_in_seconds_is_logged_once(caplog):
    log = Log()
    for _ in range(2):
        clicked = Notification(id="1", type="click", timestamp=1700000000, mbox=NotificationMbox(name="a"))
        request_to_send(DeliveryRequest(notifications=[clicked]), log=log)
    assert [record.getMessage() for record in caplog.records] == [
        "request.notifications[0].timestamp: expected milliseconds since 1970, got 1700000000, which may be seconds"
    ]


def test_parts_of_a_request_may_be_dicts_with_wire_names():
    request = DeliveryRequest()
    request.context = {"channel": "mobile", "userAgent": "x"}
    request.execute = {"mboxes": [{"name": "a"}]}
    out = request_to_send(request)
    assert (out.context.user_agent, out.execute.mboxes[0].index) == ("x", 0)


@given(st.text() | st.binary())
def test_no_cookie_makes_a_call_fail(cookie):
    text = cookie if isinstance(cookie, str) else cookie.decode("latin-1")
    for given_ in (cookie, f"session#{text}#4000000000|PC#{text}#4000000000"):
        call = prepare(target_cookie=given_, target_location_hint=cookie)
        assert call.session_id
        call.request.to_dict(by_alias=True, exclude_none=True)
