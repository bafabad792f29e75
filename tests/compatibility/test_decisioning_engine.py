"""1.1.0's decisioning engine, used without a client."""

import contextlib
import contextvars
import copy
import gc
import importlib
import inspect
import json
import os
import pickle
import stat
import threading
import time
import weakref

import pytest
import urllib3

from target_decisioning_engine import (
    TargetDecisioningEngine,
    allocation_provider,
    constants,
    context_provider,
    enums,
    events,
    filters,
    messages,
    timings,
    utils,
)
from target_decisioning_engine.types.decision_provider_response import DecisionProviderResponse
from target_decisioning_engine.types.decisioning_artifact import (
    DecisioningArtifact,
    DecisioningArtifactMeta,
    DecisioningArtifactRules,
    Rule,
    RuleMeta,
)
from target_decisioning_engine.types.decisioning_config import DecisioningConfig
from target_decisioning_engine.types.decisioning_context import (
    DecisioningContext,
    GeoContext,
    PageContext,
    TimingContext,
    UserContext,
)
from target_decisioning_engine.types.target_delivery_request import TargetDeliveryRequest
from target_python_sdk import TargetClient
from target_python_sdk import events as client_events
from target_python_sdk.errors import ArtifactNotAvailable, HttpStatusError, InvalidArtifact, OptionError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import response
from target_python_sdk.types import (
    Address,
    Context,
    CustomerId,
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    Geo,
    MboxRequest,
    ModelProperty,
    PrefetchRequest,
    RequestDetails,
    ViewRequest,
    VisitorId,
)
from target_tools.concurrency.poller import Poller
from target_tools.types.limited_key_dict import LimitedKeyDict
from tests.conformance import builders
from tests.decisioning.cdn import Cdn, artifact, good, never_answer
from tests.support import LONG, eventually, in_a_child, run_python

server = pytest.mark.server

ORGANIZATION = "1234567890@AdobeOrg"
MBOX = "a1-serverside-ab"


@pytest.fixture(scope="module")
def edge():
    with LocalEdge() as edge:
        yield edge


def config_for(cdn=None, client="acmeclient", **options):
    """Return a configuration that downloads from ``cdn``. Without a CDN, downloads fail."""
    domain = "127.0.0.1:9" if cdn is None else cdn.domain
    return DecisioningConfig(client, ORGANIZATION, **{"cdn_base_path": "http://" + domain, **options})


@pytest.fixture
def create_engine():
    """A function that creates and initializes an engine. The engines are stopped after the test."""
    engines = []

    def create(cdn=None, client="acmeclient", **options):
        engine = TargetDecisioningEngine(config_for(cdn, client, **options))
        engines.append(engine)
        engine.initialize()
        return engine

    yield create
    for engine in engines:
        engine.stop_polling()


def payload_options(document, **options):
    """Return the options of an engine that decides with the artifact ``document`` and downloads nothing."""
    return {"artifact_payload": document, "polling_interval": 0, **options}


def request_for(*mboxes, **options):
    """Return a request to execute these mboxes."""
    execute = ExecuteRequest(
        mboxes=[MboxRequest(name=name, index=index) for index, name in enumerate(mboxes or [MBOX])]
    )
    request = DeliveryRequest(context=Context(channel="web"), id=VisitorId(tnt_id="visitor-3.35_0"), execute=execute)
    return TargetDeliveryRequest(request, **options)


def content_of(answer, index=0):
    """Return the content of the first option of an executed mbox."""
    return answer.execute.mboxes[index].options[0].content


def threads_of(client):
    """Return the names of the threads that work for a client."""
    return [one.name for one in threading.enumerate() if one.name.startswith("target-" + client)]


# Signatures, constants and types


SIGNATURES = {
    "TargetDecisioningEngine": "(config)",
    "TargetDecisioningEngine.initialize": "(self)",
    "TargetDecisioningEngine.get_offers": "(self, target_options)",
    "TargetDecisioningEngine.is_ready": "(self)",
    "TargetDecisioningEngine.get_raw_artifact": "(self)",
    "TargetDecisioningEngine.stop_polling": "(self)",
    "TargetDecisioningEngine.has_remote_dependency": "(self, request)",
    "types.decisioning_config.DecisioningConfig": (
        "(client, organization_id, polling_interval=None, artifact_location=None, artifact_payload=None, "
        "environment=None, cdn_environment=None, cdn_base_path=None, send_notification_func=None, "
        "telemetry_enabled=True, event_emitter=None, maximum_wait_ready=None, property_token=None, "
        "*, pool_manager=None)"  # 1.1.0 did not have pool_manager
    ),
    "types.target_delivery_request.TargetDeliveryRequest": (
        "(request, target_cookie=None, target_location_hint=None, consumer_id=None, customer_ids=None, "
        "session_id=None, visitor=None, trace=None)"
    ),
    "types.decision_provider_response.DecisionProviderResponse": (
        "(remote_mboxes=None, remote_views=None, status=None, request_id=None, _id=None, client=None, "
        "edge_host=None, execute=None, prefetch=None)"
    ),
    "types.decisioning_artifact.RuleMeta": "(kwargs=None)",
    "types.decisioning_artifact.Rule": "(kwargs=None)",
    "types.decisioning_artifact.DecisioningArtifactMeta": "(kwargs=None)",
    "types.decisioning_artifact.DecisioningArtifactRules": "(kwargs=None)",
    "types.decisioning_artifact.DecisioningArtifact": "(kwargs=None)",
    "types.decisioning_context.GeoContext": "(**kwargs)",
    "types.decisioning_context.UserContext": "(**kwargs)",
    "types.decisioning_context.PageContext": "(**kwargs)",
    "types.decisioning_context.TimingContext": "(**kwargs)",
    "types.decisioning_context.DecisioningContext": "(**kwargs)",
    "allocation_provider.valid_tnt_id": "(tnt_id=None)",
    "allocation_provider.get_or_create_visitor_id": "(visitor_id)",
    "allocation_provider.compute_allocation": "(client_id, activity_id, visitor_id, salt='0')",
    "context_provider.create_page_context": "(address)",
    "context_provider.create_referring_context": "(address)",
    "context_provider.create_mbox_context": "(mbox_request)",
    "context_provider.create_geo_context": "(_geo=None)",
    "context_provider.create_decisioning_context": "(delivery_request)",
    "context_provider.get_lower_case_attributes": "(obj)",
    "context_provider.with_lowercase_string_values": "(obj)",
    "context_provider.two_digit_string": "(_value)",
    "filters.by_property_token": "(property_token)",
    "messages.error_max_retry": "(num_retries, err_string)",
    "messages.artifact_version_unsupported": "(artifact_version, supported_major_version)",
    "messages.artifact_fetch_error": "(reason)",
    "messages.invalid_environment": "(expected_environment, default_environment)",
    "utils.get_rule_key": "(rule)",
    "utils.parse_url": "(url)",
    "utils.match_major_version": "(semantic_version, major_version)",
    "utils.get_valid_environment": "(environment_name)",
    "utils.get_target_environment": "(config)",
    "utils.get_cdn_environment": "(config)",
    "utils.get_cdn_base_path": "(config)",
    "utils.get_geo_lookup_path": "(config)",
    "utils.determine_artifact_location": "(config)",
}


def look_up(path):
    """Return the object with this dotted name in ``target_decisioning_engine``."""
    *parents, last = path.split(".")
    for depth in range(len(parents), -1, -1):
        try:
            value = importlib.import_module(".".join(["target_decisioning_engine", *parents[:depth]]))
        except ImportError:
            continue
        for name in [*parents[depth:], last]:
            value = getattr(value, name)
        return value
    raise AssertionError(path)


@pytest.mark.parametrize("path", SIGNATURES)
def test_signatures_are_those_of_1_1_0(path):
    signature = inspect.signature(look_up(path))
    unannotated = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    assert str(inspect.Signature(unannotated)) == SIGNATURES[path]


#: The constants of 1.1.0, by module.
CONSTANTS = {
    constants: {
        "ACTIVITY_DECISIONING_METHOD": "activity.decisioningMethod",
        "ACTIVITY_ID": "activity.id",
        "ACTIVITY_NAME": "activity.name",
        "ACTIVITY_TYPE": "activity.type",
        "ARTIFACT_FILENAME": "rules.json",
        "AUDIENCE_IDS": "audience.ids",
        "BAD_REQUEST": 400,
        "CAMPAIGN_BUCKET_SALT": "0",
        "CDN_BASE": {
            "production": "assets.adobetarget.com",
            "staging": "assets.staging.adobetarget.com",
            "development": "assets.staging.adobetarget.com",
        },
        "CDN_BASE_DEV": "assets.staging.adobetarget.com",
        "CDN_BASE_PROD": "assets.adobetarget.com",
        "CDN_BASE_STAGE": "assets.staging.adobetarget.com",
        "DEFAULT_POLLING_INTERVAL": 300,
        "ENVIRONMENT_DEV": "development",
        "ENVIRONMENT_PROD": "production",
        "ENVIRONMENT_STAGE": "staging",
        "EXPERIENCE_ID": "experience.id",
        "EXPERIENCE_NAME": "experience.name",
        "FORBIDDEN": 403,
        "GEO_CITY": "geo.city",
        "GEO_COUNTRY": "geo.country",
        "GEO_LATITUDE": "geo.latitude",
        "GEO_LONGITUDE": "geo.longitude",
        "GEO_STATE": "geo.state",
        "HTTP_GET": "GET",
        "HTTP_HEADER_FORWARDED_FOR": "x-forwarded-for",
        "HTTP_HEADER_GEO_CITY": "x-geo-city",
        "HTTP_HEADER_GEO_COUNTRY": "x-geo-country-code",
        "HTTP_HEADER_GEO_LATITUDE": "x-geo-latitude",
        "HTTP_HEADER_GEO_LONGITUDE": "x-geo-longitude",
        "HTTP_HEADER_GEO_REGION": "x-geo-region-code",
        "LOCATION_ID": "location.id",
        "LOCATION_NAME": "location.name",
        "LOCATION_TYPE": "location.type",
        "LOG_PREFIX": "LD",
        "MINIMUM_POLLING_INTERVAL": 300,
        "NOT_MODIFIED": 304,
        "NUM_FETCH_RETRIES": 10,
        "OFFER_ID": "offer.id",
        "OFFER_NAME": "offer.name",
        "OK": 200,
        "OPTION_ID": "option.id",
        "OPTION_NAME": "option.name",
        "PARTIAL_CONTENT": 206,
        "SUPPORTED_ARTIFACT_MAJOR_VERSION": 1,
        "SUPPORTED_ARTIFACT_OBFUSCATION_VERSION": 1,
    },
    events: {
        "ARTIFACT_DOWNLOAD_FAILED": "artifact_download_failed",
        "ARTIFACT_DOWNLOAD_SUCCEEDED": "artifact_download_succeeded",
        "GEO_LOCATION_UPDATED": "geo_location_updated",
    },
    timings: {
        "TIMING_ARTIFACT_DOWNLOADED_FETCH": "artifactDownloaded_fetch",
        "TIMING_ARTIFACT_DOWNLOADED_TOTAL": "artifactDownloaded_total",
        "TIMING_ARTIFACT_GET_INITIAL": "artifactGetInitial",
        "TIMING_ARTIFACT_READ_JSON": "artifactDownloaded_read_JSON",
        "TIMING_GET_OFFER": "get_offer",
    },
}


@pytest.mark.parametrize("module", CONSTANTS, ids=lambda module: module.__name__)
def test_constants_are_those_of_1_1_0(module):
    assert {name: value for name, value in vars(module).items() if name.isupper()} == CONSTANTS[module]


def test_event_names_are_those_of_the_client():
    assert (events.ARTIFACT_DOWNLOAD_SUCCEEDED, events.ARTIFACT_DOWNLOAD_FAILED, events.GEO_LOCATION_UPDATED) == (
        client_events.ARTIFACT_DOWNLOAD_SUCCEEDED,
        client_events.ARTIFACT_DOWNLOAD_FAILED,
        client_events.GEO_LOCATION_UPDATED,
    )


def test_messages_and_request_types_are_those_of_1_1_0():
    texts = messages.MESSAGES
    assert texts["ARTIFACT_NOT_AVAILABLE"] == "The decisioning artifact is not available"
    assert texts["ERROR_MAX_RETRY"](3, "x") == "Unable to retrieve artifact after 3 retries: x"
    assert texts["ARTIFACT_FETCH_ERROR"]("r") == "Failed to retrieve artifact: r"
    assert texts["INVALID_ENVIRONMENT"]("foo", "production") == (
        "'foo' is not a valid target environment, defaulting to 'production'."
    )
    assert texts["ARTIFACT_VERSION_UNSUPPORTED"]("2.0", 1) == (
        "The decisioning artifact version (2.0) is not supported. This library is compatible with this major version: 1"
    )
    assert [kind.value for kind in enums.RequestType] == ["mbox", "view", "pageLoad"]


#: The keys of 1.1.0's types.
KEYS = {
    RuleMeta: "activity.id activity.name activity.type audience.ids experience.id experience.name location.id "
    "location.name location.type offer.id offer.name option.id option.name displayResponseType",
    Rule: "ruleKey propertyTokens seed condition consequence",
    DecisioningArtifactMeta: "generatedAt organizationId clientCode workspace environment",
    DecisioningArtifactRules: "mboxes views",
    DecisioningArtifact: "version globalMbox geoTargetingEnabled responseTokens remoteMboxes localMboxes remoteViews "
    "localViews meta rules",
    GeoContext: "country region city latitude longitude",
    UserContext: "browserType platform locale browserVersion",
    PageContext: "url url_lc path path_lc domain domain_lc subdomain subdomain_lc topLevelDomain topLevelDomain_lc "
    "query query_lc fragment fragment_lc",
    TimingContext: "current_timestamp current_time current_day",
    DecisioningContext: "allocation current_timestamp current_time current_day user page referring mbox geo",
}


@pytest.mark.parametrize("kind", KEYS, ids=lambda kind: kind.__name__)
def test_the_dicts_of_1_1_0_accept_only_their_keys(kind):
    values = {name: number for number, name in enumerate(KEYS[kind].split())}
    given = {**values, "unknown": 1}
    instance = kind(given) if kind.__module__.endswith("artifact") else kind(**given)
    assert instance == values
    assert kind() == {}
    assert isinstance(instance, LimitedKeyDict)
    assert json.loads(json.dumps(instance)) == values
    with pytest.raises(KeyError) as raised:
        instance["unknown"] = 1
    assert raised.value.args == ()
    for duplicate in (copy.copy(instance), copy.deepcopy(instance), pickle.loads(pickle.dumps(instance))):
        assert (type(duplicate), duplicate) == (kind, values)
    assert type(instance.copy()) is dict


def test_the_response_is_a_delivery_response_with_remote_parts():
    decision = DecisionProviderResponse(["a"], ["b"], 206, "id", VisitorId(tnt_id="x"), "acmeclient", "host")
    assert isinstance(decision, DeliveryResponse)
    plain = DeliveryResponse(
        status=206, request_id="id", id=VisitorId(tnt_id="x"), client="acmeclient", edge_host="host"
    )
    assert decision.to_dict() == plain.to_dict()
    assert decision != plain
    for duplicate in (copy.deepcopy(decision), pickle.loads(pickle.dumps(decision))):
        assert duplicate == decision
        assert (duplicate.remote_mboxes, duplicate.remote_views) == (["a"], ["b"])
    assert DecisionProviderResponse().remote_mboxes is None


def test_configurations_and_requests_have_plain_attributes():
    config = DecisioningConfig("acmeclient", ORGANIZATION)
    assert config.event_emitter("name", {}) is None
    given = {name: value for name, value in vars(config).items() if value is not None}
    del given["event_emitter"]
    assert given == {"client": "acmeclient", "organization_id": ORGANIZATION, "telemetry_enabled": True}
    assert vars(TargetDeliveryRequest("request", visitor="v"))["visitor"] == "v"


# Pure functions, with the values that 1.1.0 returned


def test_allocations_are_those_of_1_1_0():
    visitor = VisitorId(tnt_id="visitor-3.35_0")
    assert allocation_provider.compute_allocation("acmeclient", 1111, visitor) == 84.27
    assert allocation_provider.compute_allocation("acmeclient", "1111", "visitor-3") == 84.27
    assert allocation_provider.compute_allocation("acmeclient", "1111", "visitor-3.35_0") == 60.78
    assert allocation_provider.compute_allocation("acmeclient", "1111", "visitor-3.35_0", salt="1") == 39.23
    assert (allocation_provider.TOTAL_BUCKETS, allocation_provider.MAX_PERCENTAGE) == (10000, 100)


def test_a_visitor_is_bucketed_by_mcid_then_tnt_id_then_third_party_id_then_a_new_id():
    ids = [None, "", "abc", "abc.35_0", 5, "."]
    assert [allocation_provider.valid_tnt_id(one) for one in ids] == [None, None, "abc", "abc", None, ""]
    known = {"tnt_id": "a.35_0", "third_party_id": "t", "marketing_cloud_visitor_id": "m"}
    visitor_id = allocation_provider.get_or_create_visitor_id
    assert visitor_id(VisitorId(**known)) == "m"
    assert visitor_id(VisitorId(tnt_id="a.35_0", third_party_id="t")) == "a"
    assert visitor_id(VisitorId(third_party_id="t")) == "t"
    only_customer_ids = VisitorId(customer_ids=[CustomerId("c", "i", "unknown")])
    created = {visitor_id(None), visitor_id(""), visitor_id(VisitorId()), visitor_id(only_customer_ids)}
    assert [len(one) for one in created] == [36] * 4


def test_only_rules_of_another_property_are_filtered_out():
    rules = [{}, {"propertyTokens": []}, {"propertyTokens": None}, {"propertyTokens": ["a"]}]
    assert [filters.by_property_token("a")(rule) for rule in rules] == [True] * 4
    assert [filters.by_property_token("b")(rule) for rule in rules] == [True] * 3 + [False]
    assert [filters.by_property_token(None)(rule) for rule in rules] == [True] * 3 + [False]


def test_contexts_contain_the_values_of_a_page_an_mbox_and_a_geo():
    address = Address(url="https://www.A.com/P?q=1#F", referring_url="http://b.org/x")
    page = context_provider.create_page_context(address)
    assert type(page) is PageContext
    assert page == {
        **{"url": "https://www.A.com/P?q=1#F", "path": "/P", "query": "q=1", "fragment": "F"},
        **{"domain": "a.com", "subdomain": "", "topLevelDomain": "com"},
        **{"url_lc": "https://www.a.com/p?q=1#f", "path_lc": "/p", "query_lc": "q=1", "fragment_lc": "f"},
        **{"domain_lc": "a.com", "subdomain_lc": "", "topLevelDomain_lc": "com"},
    }
    assert context_provider.create_referring_context(address)["url"] == "http://b.org/x"
    empty = dict.fromkeys(page, "")
    assert context_provider.create_page_context(None) == context_provider.create_referring_context(None) == empty
    parameters = {"A": "Bc", "a.b": "X", "n": "5"}
    assert context_provider.create_mbox_context(MboxRequest(name="x", parameters=parameters)) == {
        "A": "Bc", "a": {"b": "X", "b_lc": "x"}, "n": "5", "A_lc": "bc", "n_lc": "5",
    }  # fmt: skip
    assert context_provider.create_mbox_context(None) == {}
    geo = Geo(city="C", country_code="US", state_code="CA", latitude=1.5, longitude=2)
    assert context_provider.create_geo_context(geo) == {
        "country": "US", "region": "CA", "city": "C", "latitude": 1.5, "longitude": 2,
    }  # fmt: skip
    assert context_provider.create_geo_context() == {}


def test_the_context_of_a_request_has_all_parts():
    address = Address(url="https://shop.example.com/")
    context = Context(channel="web", user_agent=builders.CHROME, address=address, geo=Geo(city="C"))
    complete = context_provider.create_decisioning_context(DeliveryRequest(context=context))
    assert type(complete) is DecisioningContext
    assert set(complete) == {"current_timestamp", "current_time", "current_day", "user", "page", "referring", "geo"}
    kinds = [type(complete[name]) for name in ("user", "page", "referring", "geo")]
    assert kinds == [UserContext, PageContext, PageContext, GeoContext]
    assert complete["user"] == {"browserType": "chrome", "platform": "windows", "locale": "en", "browserVersion": 120}
    assert (complete["page"]["subdomain"], complete["geo"]) == ("shop", {"city": "C"})
    assert context_provider.create_decisioning_context(DeliveryRequest())["geo"] == {}


def test_values_get_lowercase_copies_and_numbers_get_two_digits():
    given = {"A": "Bc", "n": 1, "d": {"x": "Y"}}
    assert context_provider.get_lower_case_attributes(given) == {"A_lc": "bc", "n_lc": 1, "d_lc": {"x": "Y"}}
    assert context_provider.with_lowercase_string_values(given) == {
        "A": "Bc", "n": 1, "d": {"x": "Y", "x_lc": "y"}, "A_lc": "bc",
    }  # fmt: skip
    assert [context_provider.two_digit_string(number) for number in (0, 7, 10, 123)] == ["00", "07", "10", "123"]


def test_the_utils_return_the_values_of_1_1_0():
    config = config_for(cdn_base_path=None)
    assert utils.get_cdn_base_path(config) == "https://assets.adobetarget.com"
    assert utils.get_geo_lookup_path(config) == "https://assets.adobetarget.com/v1/geo"
    location = "https://assets.adobetarget.com/acmeclient/production/v1/rules.json"
    assert utils.determine_artifact_location(config) == location
    no_client = DecisioningConfig("", ORGANIZATION)
    assert utils.determine_artifact_location(no_client) == "https://assets.adobetarget.com/production/v1/rules.json"
    staging = config_for(cdn_base_path="cdn.x", property_token="tok", environment="Staging")
    assert utils.determine_artifact_location(staging) == "https://cdn.x/acmeclient/staging/v1/tok/rules.json"
    assert utils.get_target_environment(staging) == "staging"
    assert utils.get_cdn_environment(config) == "production"
    assert utils.get_valid_environment(None) == "production"
    assert [utils.match_major_version(one, 1) for one in ("1.0.0", "1", "2.0", "10.0", "")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert (utils.get_rule_key({"ruleKey": "x"}), utils.get_rule_key({})) == ("x", None)
    assert utils.parse_url("https://www.a.co.uk:8080/P/a.html?Q=1&b=2#Frag") == {
        **{"url": "https://www.a.co.uk:8080/P/a.html?Q=1&b=2#Frag", "path": "/P/a.html", "query": "Q=1&b=2"},
        **{"fragment": "Frag", "domain": "a.co.uk", "subdomain": "", "topLevelDomain": "co.uk"},
    }


# Importing


@pytest.mark.process
def test_modules_are_imported_on_first_use():
    program = (
        "import sys, target_decisioning_engine as package\n"
        "ours = ('urllib3', 'target_python_sdk', 'target_tools')\n"
        "assert not [name for name in sys.modules if name.startswith(ours)]\n"
        "assert 'TargetDecisioningEngine' in dir(package) and not hasattr(package, 'artifact_provider')\n"
        "package.TargetDecisioningEngine(None); package.constants.OK, package.events, package.enums\n"
        "package.timings, package.messages\n"
        "assert 'urllib3' not in sys.modules\n"
        "assert package.types.__name__ == 'target_decisioning_engine.types'\n"
        "assert package.utils.get_rule_key({'ruleKey': 1}) == 1\n"
    )
    done = run_python("-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Deciding


@server
def test_an_engine_decides_with_the_artifact_that_it_downloads(edge, create_engine):
    engine = create_engine(edge)
    answer = engine.get_offers(request_for(session_id="session"))
    assert isinstance(answer, DecisionProviderResponse)
    assert content_of(answer) == "<div>Greetings from experience B</div>"
    assert (answer.status, answer.client, answer.remote_mboxes, answer.remote_views) == (200, "acmeclient", [], [])
    assert answer.id.tnt_id == "visitor-3.35_0"
    with TargetClient.create({
        "client": "acmeclient",
        "organization_id": ORGANIZATION,
        "decisioning_method": "on-device",
        "cdn_base_path": "http://" + edge.domain,
        "server_domain": edge.domain,
        "secure": False,
    }) as client:  # fmt: skip
        request = request_for().request.replace(request_id=answer.request_id)
        decided = client.get_offers({"request": request}).response
    assert answer.to_dict() == decided.to_dict()


@server
def test_an_engine_sends_no_request_to_the_edge(create_engine, monkeypatch):
    started, start = [], Poller.start

    def record_start(poller, *arguments):
        started.append(poller._name)
        return start(poller, *arguments)

    monkeypatch.setattr(Poller, "start", record_start)
    with LocalEdge() as cdn:
        engine = create_engine(cdn, client="asksnothing")
        engine.get_offers(request_for())
        assert engine.has_remote_dependency(request_for().request)["remote_needed"] is False
        assert [one.path.rpartition("/")[2] for one in cdn.requests] == ["rules.json"]
    # A location hint would be requested in a thread, from a host other than the CDN.
    assert started == ["target-asksnothing-artifact"]


def test_an_engine_decides_with_a_payload_without_a_thread(create_engine):
    document = artifact()
    engine = create_engine(client="nothread", **payload_options(document))
    assert content_of(engine.get_offers(request_for("home"))) == "<b>A</b>"
    assert engine.get_raw_artifact() == engine.artifact == document
    engine.get_raw_artifact().clear()
    assert engine.get_raw_artifact() == document
    assert threads_of("nothread") == []


def test_before_initialize_an_engine_has_no_artifact_and_decides_nothing():
    engine = TargetDecisioningEngine(config_for(client="nothing"))
    assert (engine.is_ready(), engine.get_raw_artifact(), engine.artifact) == (False, None, None)
    for act in (lambda: engine.get_offers(request_for()), lambda: engine.has_remote_dependency(request_for().request)):
        with pytest.raises(ArtifactNotAvailable, match=r"^The decisioning artifact is not available$"):
            act()
    engine.stop_polling()
    assert threads_of("nothing") == []


def test_requested_remote_mboxes_and_views_are_reported(create_engine):
    document = artifact(remoteMboxes=["away"], remoteViews=["cart"], globalMbox="away")
    engine = create_engine(**payload_options(document))
    local = engine.has_remote_dependency(request_for("home").request)
    assert local == {"remote_needed": False, "remote_mboxes": [], "remote_views": []}
    request = request_for("home", "away").request.replace(
        prefetch=PrefetchRequest(views=[ViewRequest()]), _property=ModelProperty(token="p")
    )
    remote = {"remote_needed": True, "remote_mboxes": ["away"], "remote_views": ["cart"]}
    assert engine.has_remote_dependency(request) == remote
    answer = engine.get_offers(TargetDeliveryRequest(request))
    assert (answer.status, answer.remote_mboxes, answer.remote_views) == (206, ["away"], ["cart"])
    page_load = DeliveryRequest(execute=ExecuteRequest(page_load=RequestDetails()))
    assert engine.has_remote_dependency(page_load)["remote_mboxes"] == ["away"]


def test_the_visitor_id_comes_from_the_options(create_engine):
    engine = create_engine(**payload_options(artifact()))

    def identity(**options):
        request = DeliveryRequest(execute=request_for("home").request.execute)
        return engine.get_offers(TargetDeliveryRequest(request, **options)).id

    assert identity(target_location_hint="28").tnt_id.endswith(".28_0")
    assert "." not in identity().tnt_id
    assert identity(target_cookie="PC#abc.35_0#4000000000|session#xyz#4000000000").tnt_id == "abc.35_0"
    customer = {"crm": {"id": "4711", "authenticated_state": "authenticated"}}
    assert identity(customer_ids=customer) == identity(customer_ids=customer)


def test_the_configured_property_applies_if_the_request_has_none(create_engine):
    rules = [builders.rule("ours", propertyTokens=["p"]), builders.rule("all", activity=2)]
    engine = create_engine(**payload_options(builders.artifact(home=rules), property_token="p"))
    assert content_of(engine.get_offers(request_for("home"))) == "ours"
    other = request_for("home")
    other.request._property = ModelProperty(token="q")
    assert content_of(engine.get_offers(other)) == "all"


@server
def test_the_geo_values_of_an_ip_address_are_looked_up(create_engine):
    emitted = []
    document = builders.artifact(home=builders.yes_or_no({"==": [{"var": "geo.city"}, "PARIS"]}))
    with LocalEdge(geo={"city": "PARIS", "countryCode": "FR"}) as cdn:
        config = payload_options(document, event_emitter=lambda name, payload: emitted.append((name, payload)))
        engine = create_engine(cdn, **config)
        options = request_for("home")
        options.request.context.geo = Geo(ip_address="203.0.113.7")
        assert content_of(engine.get_offers(options)) == "yes"
    assert content_of(engine.get_offers(request_for("home"))) == "no"
    ((name, payload),) = emitted
    assert (name, payload["geo_context"].city) == ("geo_location_updated", "PARIS")


class RecordingPoolManager(urllib3.PoolManager):
    """An application's pool manager that records the paths of its requests."""

    def __init__(self):
        super().__init__()
        self.paths = []

    def request(self, method, url, *args, **kwargs):
        self.paths.append(urllib3.util.parse_url(url).path)
        return super().request(method, url, *args, **kwargs)


@server
def test_a_pool_manager_sends_every_request_of_the_engine(create_engine):
    manager = RecordingPoolManager()
    activity = {
        "id": 1,
        "locations": ["home"],
        "audience": {"==": [{"var": "geo.city"}, "PARIS"]},
        "experiences": [{"offer": {"html": "here"}}],
    }
    with LocalEdge({"activities": [activity]}, geo={"city": "PARIS", "countryCode": "FR"}) as cdn:
        engine = create_engine(cdn, pool_manager=manager, polling_interval=0)
        options = request_for("home")
        options.request.context.geo = Geo(ip_address="203.0.113.7")
        assert content_of(engine.get_offers(options)) == "here"
        assert manager.paths == [one.path for one in cdn.requests]
    artifact_path, geo_path = manager.paths
    assert artifact_path.endswith("/rules.json")
    assert geo_path == "/v1/geo"


def test_the_error_about_a_pool_manager_that_cannot_send_names_the_option():
    with pytest.raises(OptionError, match="pool_manager"):
        TargetDecisioningEngine(config_for(pool_manager=5)).initialize()


def test_a_configuration_without_the_attribute_pool_manager_works(create_engine):
    """A configuration that 1.1.0 pickled does not have the attribute."""
    config = config_for(**payload_options(builders.artifact(home=[builders.rule("ours")])))
    del config.pool_manager
    engine = TargetDecisioningEngine(config)
    engine.initialize()
    assert content_of(engine.get_offers(request_for("home"))) == "ours"
    engine.stop_polling()


# Downloads


@server
def test_an_engine_uses_newer_artifacts_until_polling_is_stopped(create_engine):
    with Cdn(good("one")) as cdn:
        engine = create_engine(cdn, "newer", polling_interval=0.02)
        assert content_of(engine.get_offers(request_for("home"))) == "one"
        cdn.reply = good("two")
        assert eventually(lambda: content_of(engine.get_offers(request_for("home"))) == "two")
        engine.stop_polling()
        engine.stop_polling()
        assert eventually(lambda: not threads_of("newer"))
        request_count = len(cdn.request_headers)
        cdn.reply = good("three")
        time.sleep(0.1)
        assert len(cdn.request_headers) == request_count
        assert engine.is_ready()
        assert content_of(engine.get_offers(request_for("home"))) == "two"
        engine.initialize()
        assert content_of(engine.get_offers(request_for("home"))) == "three"


@server
@pytest.mark.parametrize("status", [403, 404])
def test_b41_a_failed_first_download_raises_and_is_retried(status):
    emitted = []
    with Cdn(response(b"no", status=status)) as cdn:
        engine = TargetDecisioningEngine(
            config_for(
                cdn,
                polling_interval=0.05,
                maximum_wait_ready=60,
                event_emitter=lambda name, payload: emitted.append((name, payload)),
            )
        )
        try:
            began = time.monotonic()
            with pytest.raises(ArtifactNotAvailable) as raised:
                engine.initialize()
            assert time.monotonic() - began < LONG / 1000
            assert str(raised.value) == "The decisioning artifact is not available"
            assert isinstance(raised.value.__cause__, HttpStatusError)
            assert not engine.is_ready()
            with pytest.raises(ArtifactNotAvailable):
                engine.get_offers(request_for("home"))
            cdn.reply = good("late")
            assert eventually(engine.is_ready)
            assert content_of(engine.get_offers(request_for("home"))) == "late"
            engine.initialize()
        finally:
            engine.stop_polling()
    name, payload = emitted[0]
    assert (name, payload["error"].status) == ("artifact_download_failed", status)
    assert payload["artifact_location"] == f"http://{cdn.domain}/acmeclient/production/v1/rules.json"
    assert eventually(lambda: emitted[-1][0] == "artifact_download_succeeded")
    assert emitted[-1][1]["artifact_payload"] == artifact("late")


@server
def test_initialize_waits_at_most_maximum_wait_ready_seconds():
    with Cdn(never_answer) as cdn:
        engine = TargetDecisioningEngine(config_for(cdn, maximum_wait_ready=0.2))
        began = time.monotonic()
        with pytest.raises(ArtifactNotAvailable):
            engine.initialize()
        assert 0.15 < time.monotonic() - began < LONG / 1000
        engine.stop_polling()


def test_b44_times_are_seconds(create_engine):
    """1.1.0's defaults are accepted. The error about a value that is not a number names the option."""
    document = artifact()
    for interval, wait in ((None, None), (300, -1), (86400000, 86400000)):  # the last pair: a day in milliseconds
        create_engine(artifact_payload=document, polling_interval=interval, maximum_wait_ready=wait)
    traced = request_for("home")
    traced.request = DeliveryRequest.from_dict({**traced.request.to_dict(), "trace": {"authorization_token": "t"}})
    hourly = create_engine(artifact_payload=document, polling_interval=3600)
    trace = hourly.get_offers(traced).execute.mboxes[0].trace
    assert trace["artifact"]["pollingInterval"] == 3600000
    for name in ("polling_interval", "maximum_wait_ready"):
        with pytest.raises(OptionError, match=name):
            TargetDecisioningEngine(config_for(**{name: "soon"})).initialize()


def test_a_payload_of_another_major_version_is_refused():
    engine = TargetDecisioningEngine(config_for(**payload_options(artifact(version="2.0.0"))))
    with pytest.raises(ArtifactNotAvailable) as raised:
        engine.initialize()
    assert isinstance(raised.value.__cause__, InvalidArtifact)
    assert "(2.0.0)" in str(raised.value.__cause__)
    engine.stop_polling()


@pytest.mark.parametrize("name", ["client", "organization_id"])
def test_an_empty_client_or_organization_is_refused(name):
    config = config_for()
    setattr(config, name, "")
    with pytest.raises(OptionError) as raised:
        TargetDecisioningEngine(config).initialize()
    assert raised.value.option == name


@server
def test_an_exception_of_the_event_emitter_is_logged_and_ignored(create_engine, caplog):
    def raises(name, payload):
        raise ValueError("mine")

    with Cdn() as cdn:
        engine = create_engine(cdn, event_emitter=raises)
        assert engine.is_ready()
        assert eventually(lambda: "event_emitter raised" in caplog.text)
        assert content_of(engine.get_offers(request_for("home"))) == "<b>A</b>"


# Notifications


def test_send_notification_func_runs_in_the_context_of_the_decision(create_engine):
    page = contextvars.ContextVar("page")
    sent, seen = threading.Event(), []

    def record_page(_):
        seen.append(page.get("none"))
        sent.set()

    engine = create_engine(
        **payload_options(builders.artifact(home=[builders.rule("x")]), send_notification_func=record_page)
    )
    token = page.set("home page")
    engine.get_offers(request_for("home"))
    page.reset(token)
    assert sent.wait(20)
    assert seen == ["home page"]


@server
def test_send_notification_func_receives_a_request_that_can_be_sent(edge, create_engine):
    """B59: notifications keep the session, the property and the environment."""
    sent, visitor = [], object()
    engine = create_engine(edge, send_notification_func=sent.append)
    request = request_for(session_id="the-session", visitor=visitor)
    request.request.environment_id = 5
    request.request._property = ModelProperty(token="p")
    answer = engine.get_offers(request)
    assert eventually(lambda: sent)
    (payload,) = sent
    assert set(payload) == {"request", "visitor", "session_id"}
    assert payload["visitor"] is visitor
    assert payload["session_id"] == "the-session"
    (display,) = payload["request"].notifications
    assert (display.type, display.mbox.name, len(display.tokens)) == ("display", MBOX, 1)
    assert payload["request"].id == answer.id
    assert (payload["request"].environment_id, payload["request"]._property.token) == (5, "p")
    assert (payload["request"].execute, payload["request"].prefetch) == (None, None)
    (entry,) = payload["request"].telemetry.entries
    assert (entry.request_id, entry.features.decisioning_method) == (answer.request_id, "on-device")
    assert 0 <= entry.execution < 20000

    options = {"client": "acmeclient", "organization_id": ORGANIZATION, "server_domain": edge.domain, "secure": False}
    with TargetClient.create(options) as client:
        client.send_notifications(payload)
    assert edge.notifications[-1]["id"] == display.id
    assert edge.requests[-1].query["sessionId"] == "the-session"


@pytest.mark.parametrize("telemetry", [True, False, None])
def test_a_prefetch_sends_only_telemetry_and_only_if_enabled(create_engine, telemetry):
    sent = []
    engine = create_engine(
        **payload_options(artifact(), send_notification_func=sent.append, telemetry_enabled=telemetry)
    )
    prefetch = DeliveryRequest(prefetch=PrefetchRequest(mboxes=[MboxRequest(name="home")]))
    assert engine.get_offers(TargetDeliveryRequest(prefetch)).prefetch.mboxes[0].options
    document = builders.artifact(home=[builders.rule("A")])
    executing = create_engine(
        **payload_options(document, send_notification_func=sent.append, telemetry_enabled=telemetry)
    )
    executing.get_offers(request_for("home"))
    is_enabled = telemetry is not False  # None is the default
    expected = 2 if is_enabled else 1
    assert eventually(lambda: len(sent) == expected)
    assert sorted(len(one["request"].notifications or ()) for one in sent) == [0, 1][-expected:]
    assert [one["request"].telemetry is not None for one in sent] == [is_enabled] * expected


def test_send_notification_func_neither_delays_nor_fails_a_decision(create_engine, caplog):
    release = threading.Event()

    def raises(payload):
        release.wait(20)
        raise ValueError("mine")

    document = builders.artifact(home=[builders.rule("A")])
    engine = create_engine(**payload_options(document, send_notification_func=raises))
    assert content_of(engine.get_offers(request_for("home"))) == "A"  # before the function has ended
    release.set()
    assert eventually(lambda: "send_notification_func raised" in caplog.text)
    engine.config.send_notification_func = None
    assert content_of(engine.get_offers(request_for("home"))) == "A"


def test_a_dropped_notification_is_logged(create_engine, caplog):
    document = builders.artifact(home=[builders.rule("A")])
    engine = create_engine(**payload_options(document, send_notification_func=print))
    engine._runtime._processes.get().workers._max_pending = 0
    assert content_of(engine.get_offers(request_for("home"))) == "A"
    assert "not passed to send_notification_func (QueueFull)" in caplog.text


# Processes


@server
def test_a_child_uses_and_refreshes_the_artifact_of_its_parent():
    with Cdn(good("one")) as cdn:
        engine = TargetDecisioningEngine(config_for(cdn, "parent", polling_interval=0.05))
        engine.initialize()

        def decide_and_poll():
            assert content_of(engine.get_offers(request_for("home"))) in ("one", "two")
            assert eventually(lambda: content_of(engine.get_offers(request_for("home"))) == "two")

        cdn.reply = good("two")
        assert in_a_child(decide_and_poll)
        assert eventually(lambda: content_of(engine.get_offers(request_for("home"))) == "two")
        engine.stop_polling()
        cdn.reply = good("three")
        assert eventually(lambda: not threads_of("parent"))
        request_count = len(cdn.request_headers)

        def check_it_is_stopped():
            assert content_of(engine.get_offers(request_for("home"))) == "two"
            time.sleep(0.15)
            assert threads_of("parent") == []

        assert in_a_child(check_it_is_stopped)
        assert len(cdn.request_headers) == request_count


@server
def test_a_child_closes_connections_of_its_parent():
    def sockets():
        found = 0
        for descriptor in range(256):
            with contextlib.suppress(OSError):
                found += stat.S_ISSOCK(os.fstat(descriptor).st_mode)
        return found

    with Cdn() as cdn:
        engine = TargetDecisioningEngine(config_for(cdn))
        engine.initialize()
        engine.stop_polling()

        def check_sockets():
            before = sockets()
            assert engine.is_ready()
            assert sockets() < before  # not 0, because garbage of other tests may hold sockets

        assert in_a_child(check_sockets)


@server
def test_the_thread_of_a_garbage_collected_engine_ends():
    with Cdn() as cdn:
        engine = TargetDecisioningEngine(config_for(cdn, "held"))
        engine.initialize()
        assert eventually(lambda: threads_of("held"))
        reference = weakref.ref(engine)
        del engine
        gc.collect()
        assert reference() is None
        assert eventually(lambda: not threads_of("held"))


#: A script that uses an engine. Its arguments are the CDN and the seconds that ``send_notification_func`` takes.
SCRIPT = (
    "import sys, time\n"
    "from target_decisioning_engine import TargetDecisioningEngine\n"
    "from target_tools.concurrency import shutdown\n"
    "shutdown.IDLE_EXIT_SECONDS = 40\n"
    "from target_decisioning_engine.types.decisioning_config import DecisioningConfig\n"
    "from target_decisioning_engine.types.target_delivery_request import TargetDeliveryRequest\n"
    "from delivery_api_client import Context, DeliveryRequest, ExecuteRequest, MboxRequest\n"
    "def send(payload):\n"
    "    time.sleep(float(sys.argv[2]))\n"
    "    print('sent')\n"
    "config = DecisioningConfig('acmeclient', '1@AdobeOrg', cdn_base_path='http://' + sys.argv[1],\n"
    "                           send_notification_func=send)\n"
    "engine = TargetDecisioningEngine(config)\n"
    "engine.initialize()\n"
    "execute = ExecuteRequest(mboxes=[MboxRequest(name='a1-serverside-ab', index=1)])\n"
    "request = DeliveryRequest(context=Context(channel='web'), execute=execute)\n"
    "assert engine.get_offers(TargetDeliveryRequest(request)).execute.mboxes[0].options\n"
    "sys.stderr.write(repr(time.time()))\n"
)


@server
def test_t7_a_script_that_does_not_stop_polling_ends_at_once(edge):
    done = run_python("-c", SCRIPT, edge.domain, "0")
    took = time.time() - float(done.stderr)
    assert (done.returncode, done.stdout) == (0, "sent\n")
    print(f"The exit took {took:.3f} s")  # noqa: T201 - pytest shows it if the test fails
    assert took < 20  # a thread that does not end on request would take all of the 40 s that the script allows


@server
def test_the_exit_of_the_process_waits_for_send_notification_func(edge):
    done = run_python("-c", SCRIPT, edge.domain, "0.3")
    assert (done.returncode, done.stdout) == (0, "sent\n")
