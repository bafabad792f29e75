"""The OpenFeature provider. A test of OpenFeature's specification has the requirement's number in its name."""

import asyncio
import json
import threading
from functools import partial
from typing import Any, Dict, Iterator, List

import pytest

from tests.support import LONG, client_of, eventually, installing, options_for

pytest.importorskip("openfeature.provider", reason="openfeature-sdk is not installed: " + installing("test"))

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagEvaluationOptions, Reason
from openfeature.hook import Hook
from openfeature.provider import ProviderStatus

from target_python_sdk import TargetClient
from target_python_sdk.errors import (
    ArtifactNotAvailable,
    ClientClosed,
    ConnectionFailed,
    HttpStatusError,
    InvalidResponse,
    OptionError,
    QueueFull,
)
from target_python_sdk.integrations.openfeature import TargetProvider
from target_python_sdk.integrations.openfeature_flags import openfeature_error
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import FakeTargetClient

pytestmark = pytest.mark.server

VALUES: Dict[str, Any] = {
    "on": True, "off": False, "text": "hi", "empty": "", "ten": 10, "zero": 0, "half": 0.5, "whole": 3.0,
    "object": {"imageUrl": "url", "title": "Check", "amount": 100}, "list": [1, 2], "nothing": None, "huge": 10**309,
}  # fmt: skip
ACTIVITIES: Dict[str, Any] = {
    "activities": [
        {
            "id": 7,
            "name": "Flags",
            "locations": ["flags"],
            "experiences": [{"name": "A", "offer": {"json": VALUES}}],
        },
        {
            "id": 8,
            "name": "Gold",
            "locations": ["gold"],
            "audience": {"==": [{"var": "mbox.member"}, "gold"]},
            "experiences": [{"name": "A", "offer": {"json": {"on": True}}}],
        },
        {"id": 9, "locations": ["page"], "experiences": [{"name": "A", "offer": {"html": "<b>B</b>"}}]},
        {
            "id": 10,
            "locations": ["edge"],
            "remote": True,
            "experiences": [{"name": "A", "offer": {"json": {"on": True}}}],
        },
    ]
}
CONTEXT = EvaluationContext("customer-1")
METHODS = ("on-device", "server-side")
#: Sets a provider and waits for its initialization. In newer versions of the package, ``set_provider`` does not wait.
set_provider_and_wait = getattr(api, "set_provider_and_wait", api.set_provider)


@pytest.fixture(scope="module")
def edge() -> Iterator[LocalEdge]:
    with LocalEdge(ACTIVITIES) as running:
        yield running


@pytest.fixture(scope="module")
def clients(edge: LocalEdge) -> Iterator[Dict[str, TargetClient]]:
    """A client for each decisioning method."""
    options: Dict[str, Any] = {"artifact_payload": edge.rules, "polling_interval": 0, "retries": 1}
    made = {method: client_of(edge, decisioning_method=method, **options) for method in (*METHODS, "hybrid")}
    yield made
    for client in made.values():
        client.close()


def executed(edge: LocalEdge) -> List[Any]:
    """Return the requests for flags. Notifications of earlier tests may arrive between them."""
    return [each for each in edge.requests if each.body and "execute" in each.body]


def on_device_at(edge: LocalEdge, **more: Any) -> Dict[str, Any]:
    """Return the options of a client that downloads the artifact from ``edge``, and polls often."""
    cdn = f"http://{edge.domain}"
    return {"decisioning_method": "on-device", "cdn_base_path": cdn, "polling_interval": 20, "retries": 1, **more}


@pytest.fixture(autouse=True)
def _cleared() -> Iterator[None]:
    yield
    api.clear_providers()
    api.clear_hooks()


def flags_of(client: Any, domain: str = "tests", **arguments: Any) -> OpenFeatureClient:
    """Return an OpenFeature client whose provider uses ``client``: a ``TargetClient``, or the options of one."""
    set_provider_and_wait(TargetProvider(client, **arguments), domain)
    return api.get_client(domain)


def evaluate(
    flags: OpenFeatureClient, kind: str, *arguments: Any, is_async: bool = False
) -> FlagEvaluationDetails[Any]:
    """Return the details of an evaluation in ``CONTEXT``, unless ``arguments`` contain another context."""
    arguments = arguments if len(arguments) > 2 else (*arguments, CONTEXT)
    if is_async:
        found: FlagEvaluationDetails[Any] = asyncio.run(getattr(flags, f"get_{kind}_details_async")(*arguments))
    else:
        found = getattr(flags, f"get_{kind}_details")(*arguments)
    return found


# 1 Flag evaluation and 2 Providers


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
@pytest.mark.parametrize(
    ("kind", "attribute", "default", "expected"),
    [
        ("boolean", "on", False, True),
        ("boolean", "off", True, False),
        ("string", "text", "bye", "hi"),
        ("string", "empty", "bye", ""),
        ("integer", "ten", 1, 10),
        ("integer", "zero", 1, 0),
        ("float", "half", 0.1, 0.5),
        ("float", "whole", 0.1, 3.0),
        ("float", "ten", 0.1, 10.0),
        ("object", "object", {}, VALUES["object"]),
        ("object", "list", [], [1, 2]),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_2_2_2_1_values_of_each_type_are_resolved(  # noqa: PLR0917 - one for each parameter
    method: str, kind: str, attribute: str, default: Any, expected: Any, is_async: bool, clients: Any
) -> None:
    details = evaluate(flags_of(clients[method]), kind, f"flags.{attribute}", default, is_async=is_async)
    assert (details.value, type(details.value)) == (expected, type(expected))
    assert details.flag_key == f"flags.{attribute}"
    assert (details.error_code, details.error_message) == (None, None)


@pytest.mark.parametrize(
    ("kind", "attribute", "default", "got"),
    [
        ("boolean", "ten", False, "an integer"),
        ("boolean", "text", False, "a string"),
        ("string", "on", "x", "a boolean"),
        ("integer", "on", 1, "a boolean"),
        ("integer", "whole", 1, "a float"),
        ("float", "on", 0.1, "a boolean"),
        ("float", "huge", 0.1, "an integer"),
        ("float", "text", 0.1, "a string"),
        ("object", "text", {}, "a string"),
        ("string", "object", "x", "an object"),
        ("string", "list", "x", "a list"),
        ("string", "nothing", "x", "null"),
    ],
)
def test_1_4_8_a_value_of_another_type_is_a_type_mismatch(
    kind: str, attribute: str, default: Any, got: str, clients: Any
) -> None:
    details = evaluate(flags_of(clients["on-device"]), kind, f"flags.{attribute}", default)
    assert (details.value, details.reason, details.error_code) == (default, Reason.ERROR, ErrorCode.TYPE_MISMATCH)
    assert str(details.error_message).endswith(f"got {got}")


def test_2_2_4_the_variant_and_the_metadata_name_the_experience(clients: Any) -> None:
    details = evaluate(flags_of(clients["on-device"]), "boolean", "flags.on", False)
    assert details.variant == "A"
    assert details.flag_metadata == {
        "mbox": "flags", "decisioning_method": "on-device", "activity_id": 7, "activity_name": "Flags",
        "experience_id": 0, "experience_name": "A",
    }  # fmt: skip


def test_2_2_4_an_answer_of_the_edge_has_the_variant_of_its_response_tokens(clients: Any) -> None:
    details = evaluate(flags_of(clients["server-side"]), "boolean", "flags.on", False)
    assert (details.variant, details.flag_metadata["activity_name"]) == ("A", "Flags")
    assert (details.reason, details.flag_metadata["decisioning_method"]) == (Reason.TARGETING_MATCH, "server-side")


@pytest.mark.parametrize(("type_", "reason"), [("ab", Reason.SPLIT), ("landing", Reason.TARGETING_MATCH)])
def test_2_2_5_the_reason_depends_on_the_type_of_the_activity(type_: str, reason: Reason, edge: LocalEdge) -> None:
    rules = json.loads(json.dumps(edge.rules).replace('"activity.type": "ab"', f'"activity.type": "{type_}"'))
    with client_of(edge, decisioning_method="on-device", artifact_payload=rules, polling_interval=0) as client:
        assert evaluate(flags_of(client), "boolean", "flags.on", False).reason == reason


@pytest.mark.parametrize("method", METHODS)
def test_2_2_5_a_visitor_without_an_offer_gets_the_default(method: str, clients: Any) -> None:
    details = evaluate(flags_of(clients[method]), "boolean", "gold.on", True)
    assert (details.value, details.reason, details.error_code) == (True, Reason.DEFAULT, None)


class Saved:
    """An artifact cache that holds one artifact in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def get(self, key: str) -> bytes:
        return self.content

    def set(self, key: str, value: bytes) -> None:
        self.content = value


def test_2_2_5_a_saved_artifact_that_is_not_confirmed_is_stale(edge: LocalEdge) -> None:
    cache = Saved(b"")
    with client_of(edge, **on_device_at(edge, artifact_cache=cache, polling_interval=0)):
        assert eventually(lambda: cache.content)
    with edge.fail(503), client_of(edge, **on_device_at(edge, artifact_cache=cache)) as client:
        flags = flags_of(client)
        assert evaluate(flags, "boolean", "flags.on", False).reason == Reason.STALE
        assert flags.get_provider_status() == ProviderStatus.STALE


@pytest.mark.parametrize(
    ("key", "code", "message"),
    [
        ("flags.other", ErrorCode.FLAG_NOT_FOUND, "the JSON offer of the mbox 'flags' has no attribute 'other'"),
        ("other.on", ErrorCode.FLAG_NOT_FOUND, "the rule artifact does not contain the mbox 'other'"),
        (".on", ErrorCode.FLAG_NOT_FOUND, "expected a flag key of the form 'mbox.attribute', got '.on'"),
        ("flags.", ErrorCode.FLAG_NOT_FOUND, "expected a flag key of the form 'mbox.attribute', got 'flags.'"),
        ("page.on", ErrorCode.PARSE_ERROR, "the offer of the mbox 'page' is not a JSON object; its type is html"),
        ("edge.on", ErrorCode.GENERAL, "only the edge can decide the mbox 'edge'; use the decisioning_method 'hybrid'"),
    ],
)
def test_2_2_7_an_error_has_a_code_and_a_message(key: str, code: ErrorCode, message: str, clients: Any) -> None:
    details = evaluate(flags_of(clients["on-device"]), "boolean", key, True)
    assert (details.value, details.reason, details.error_code) == (True, Reason.ERROR, code)
    assert str(details.error_message).startswith(message)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ArtifactNotAvailable("no artifact"), ErrorCode.PROVIDER_NOT_READY, "ArtifactNotAvailable: no artifact"),
        (ClientClosed("the client is closed"), ErrorCode.PROVIDER_FATAL, "the client is closed"),
        (InvalidResponse("no JSON"), ErrorCode.PARSE_ERROR, "InvalidResponse: no JSON"),
        (OptionError("customer_ids: expected"), ErrorCode.INVALID_CONTEXT, "customer_ids: expected"),
        (QueueFull("too many"), ErrorCode.GENERAL, "too many"),
        (ConnectionFailed("refused"), ErrorCode.GENERAL, "ConnectionFailed: refused"),
        (HttpStatusError(400, "Bad customer-1", {}, "customer-1"), ErrorCode.GENERAL, "HttpStatusError: status 400"),
        (RuntimeError("customer-1"), ErrorCode.GENERAL, "RuntimeError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_2_2_7_each_error_of_a_call_has_its_code(error: Exception, code: ErrorCode, text: str) -> None:
    found = openfeature_error(error)
    assert (found.error_code, found.error_message) == (code, text)


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
def test_1_4_10_a_failed_call_returns_the_default(is_async: bool, edge: LocalEdge) -> None:
    with client_of(edge, retries=1, timeout=LONG) as client:
        flags = flags_of(client)
        with edge.fail(503):
            details = evaluate(flags, "string", "flags.text", "bye", is_async=is_async)
    assert (details.value, details.error_code) == ("bye", ErrorCode.GENERAL)
    assert str(details.error_message).startswith("HttpStatusError: status 503 (request ")
    details = evaluate(flags, "string", "flags.text", "bye", is_async=is_async)
    assert (details.value, details.error_code) == ("bye", ErrorCode.PROVIDER_FATAL)


def test_a_hybrid_client_decides_without_the_edge_if_the_artifact_suffices(edge: LocalEdge, clients: Any) -> None:
    flags = flags_of(clients["hybrid"])
    assert evaluate(flags, "boolean", "edge.on", False).flag_metadata["decisioning_method"] == "server-side"
    with edge.fail(503):
        assert evaluate(flags, "boolean", "flags.on", False).value is True
        assert evaluate(flags, "boolean", "edge.on", False).error_code == ErrorCode.GENERAL


def test_a_key_without_a_dot_returns_the_whole_offer(clients: Any) -> None:
    flags = flags_of(clients["server-side"])
    assert evaluate(flags, "object", "flags", {}).value == VALUES
    assert evaluate(flags, "boolean", "flags", False).error_code == ErrorCode.TYPE_MISMATCH


@pytest.mark.parametrize("source", ["flags.on", ("flags", "on")])
def test_flag_keys_can_be_mapped(source: Any, clients: Any) -> None:
    flags = flags_of(clients["on-device"], flags={"express-checkout": source, "everything": ("flags", None)})
    assert evaluate(flags, "boolean", "express-checkout", False).value is True
    assert evaluate(flags, "object", "everything", {}).value == VALUES
    assert evaluate(flags, "boolean", "flags.on", False).value is True


def test_2_1_1_the_metadata_has_a_name(clients: Any) -> None:
    assert TargetProvider(clients["on-device"]).get_metadata().name == "adobe-target"
    assert TargetProvider(clients["on-device"], name="shop").get_metadata().name == "shop"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"client": "acmeclient"}, "Invalid argument 'client': expected a TargetClient or the options of one"),
        ({"targeting_key": "email"}, "Invalid argument 'targeting_key': expected 'tnt_id' or 'third_party_id' or"),
        ({"private_attributes": "email"}, "Invalid argument 'private_attributes': expected a list of names, got 'em"),
        ({"flags": ["a"]}, "Invalid argument 'flags': expected a dict of flag keys, got a list of 1 item"),
        ({"flags": {"a": ".b"}}, "Invalid argument 'flags\\['a'\\]': expected 'mbox.attribute' or"),
        ({"flags": {"a": ("b", 1)}}, "Invalid argument 'flags\\['a'\\]'"),
        ({"flags": {"a": 1}}, "Invalid argument 'flags\\['a'\\]'"),
    ],
)
def test_an_invalid_argument_raises_at_once(arguments: Dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        TargetProvider(**{"client": {}, **arguments})


# 3 Evaluation context


def test_3_1_the_context_becomes_ids_parameters_and_the_page(edge: LocalEdge, clients: Any) -> None:
    attributes: Dict[str, Any] = {
        "member": "gold", "visits": 3, "rate": 0.5, "whole": 2.0, "signed_in": True, "nothing": None,
        "cart": {"total": 10, "items": {"first": "a"}}, "tags": ["a", 1],
        "profile": {"age": 42}, "profile.level": "high",
        "tnt_id": "visitor.35_0", "marketing_cloud_visitor_id": "0123", "customer_ids": {"crm": "c-1"},
        "session_id": "session-1", "url": "https://shop.example/", "referring_url": "https://other.example/",
        "user_agent": "Mozilla/5.0", "ip_address": "203.0.113.7", "email": "a@example.com",
    }  # fmt: skip
    flags = flags_of(clients["server-side"], private_attributes=["email"])
    assert evaluate(flags, "boolean", "gold.on", False, EvaluationContext("customer-1", attributes)).value is True
    request = executed(edge)[-1]
    (mbox,) = request.body["execute"]["mboxes"]
    assert mbox["parameters"] == {
        "member": "gold", "visits": "3", "rate": "0.5", "whole": "2", "signed_in": "true", "cart.total": "10",
        "cart.items.first": "a", "tags": '["a", 1]',
    }  # fmt: skip
    assert mbox["profileParameters"] == {"age": "42", "level": "high"}
    ids = request.body["id"]
    assert (ids["tntId"], ids["thirdPartyId"], ids["marketingCloudVisitorId"]) == ("visitor.35_0", "customer-1", "0123")
    assert ids["customerIds"][0]["id"] == "c-1"
    assert request.query["sessionId"] == "session-1"
    context = request.body["context"]
    assert context["address"] == {"url": "https://shop.example/", "referringUrl": "https://other.example/"}
    assert (context["userAgent"], context["geo"]["ipAddress"]) == ("Mozilla/5.0", "203.0.113.7")


def test_3_1_1_the_targeting_key_is_sent_as_the_chosen_id(edge: LocalEdge, clients: Any) -> None:
    flags = flags_of(clients["server-side"], targeting_key="marketing_cloud_visitor_id")
    evaluate(flags, "boolean", "flags.on", False)
    assert executed(edge)[-1].body["id"] == {"marketingCloudVisitorId": "customer-1"}


@pytest.mark.parametrize("attributes", [{}, {"session_id": "s"}])
def test_a_context_without_a_visitor_id_is_an_error_unless_the_targeting_key_is_optional(
    attributes: Any, edge: LocalEdge, clients: Any
) -> None:
    context, before = EvaluationContext(None, attributes), len(executed(edge))
    details = evaluate(flags_of(clients["server-side"]), "boolean", "flags.on", False, context)
    assert (details.value, details.error_code) == (False, ErrorCode.TARGETING_KEY_MISSING)
    assert len(executed(edge)) == before
    anonymous = flags_of(clients["server-side"], require_targeting_key=False)
    assert evaluate(anonymous, "boolean", "flags.on", False, context).value is True


@pytest.mark.parametrize("attributes", [{"tnt_id": "v.35_0"}, {"target_cookie": "PC#v.35_0#2000000000"}])
def test_a_context_with_another_visitor_id_needs_no_targeting_key(attributes: Any, clients: Any) -> None:
    context = EvaluationContext(None, attributes)
    assert evaluate(flags_of(clients["server-side"]), "boolean", "flags.on", False, context).value is True


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (EvaluationContext("s", {"cart": {"total": float("nan")}}), "attributes['cart']['total']: nan is not a JSON"),
        (EvaluationContext("s", {"a": object()}), "attributes['a']: expected a value that JSON can hold"),  # type: ignore[dict-item]
        (EvaluationContext("s", {"url": 5}), "attributes['url']: expected text, got an int (value not shown)"),
        (EvaluationContext("s", {"url": "secret" * 1000}), "attributes['url'] and attributes['referring_url']:"),
        (EvaluationContext("s", {"ip_address": "secret"}), "attributes['ip_address']: expected an IPv4 or IPv6"),
        (EvaluationContext("s", {"tnt_id": "secret" * 30}), "attributes['tnt_id']: expected at most 128 characters"),
        (EvaluationContext("secret" * 30), "targeting_key: expected at most 128 characters"),
        (EvaluationContext(5551234), "targeting_key: expected text, got an int (value not shown)"),  # type: ignore[arg-type]
        (EvaluationContext("s", {"customer_ids": {"crm": ["secret"]}}), "customer_ids['crm']: expected an id"),
    ],
    ids=map(str, range(9)),
)
def test_a_value_that_cannot_be_sent_is_an_invalid_context(
    context: EvaluationContext, message: str, clients: Any
) -> None:
    """The message names the attribute and does not show its value."""
    details = evaluate(flags_of(clients["server-side"]), "boolean", "flags.on", False, context)
    assert (details.value, details.error_code) == (False, ErrorCode.INVALID_CONTEXT)
    assert str(details.error_message).startswith(message)
    assert not any(part in str(details.error_message) for part in ("secret", "5551234"))


# 4 Hooks


class Recorder(Hook):
    """Records the stages at which it runs."""

    def __init__(self, name: str, calls: List[str], attributes: Any = None) -> None:
        self.name, self.calls, self.attributes = name, calls, attributes

    def before(self, hook_context: Any, hints: Any) -> Any:
        self.calls.append(f"{self.name} before {hook_context.provider_metadata.name}")
        return None if self.attributes is None else EvaluationContext(attributes=self.attributes)

    def after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.calls.append(f"{self.name} after {details.variant}")

    def error(self, hook_context: Any, exception: Any, hints: Any) -> None:
        self.calls.append(f"{self.name} error {exception.error_code.value}")

    def finally_after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.calls.append(f"{self.name} finally {details.flag_metadata.get('activity_id')}")


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
def test_4_4_2_hooks_of_the_provider_run_last_before_and_first_after_the_evaluation(
    is_async: bool, clients: Any
) -> None:
    calls: List[str] = []
    flags = flags_of(clients["on-device"], hooks=[Recorder("provider", calls)])
    options = FlagEvaluationOptions(hooks=[Recorder("call", calls)])
    evaluate(flags, "boolean", "flags.on", False, CONTEXT, options, is_async=is_async)
    assert calls == [
        "call before adobe-target", "provider before adobe-target", "provider after A", "call after A",
        "provider finally 7", "call finally 7",
    ]  # fmt: skip


def test_4_3_4_the_context_of_a_hook_reaches_the_decision(clients: Any) -> None:
    flags = flags_of(clients["on-device"], hooks=[Recorder("provider", [], {"member": "gold"})])
    assert evaluate(flags, "boolean", "gold.on", False).value is True


def test_4_4_5_errors_run_the_error_hooks(clients: Any) -> None:
    calls: List[str] = []
    flags = flags_of(clients["on-device"], hooks=[Recorder("provider", calls)])
    evaluate(flags, "boolean", "flags.other", False)
    assert calls[1:] == ["provider error FLAG_NOT_FOUND", "provider finally None"]


# 5 Events, and 1.7 the life cycle


class RecordedEvents:
    """Records the events of one domain, or of all domains if ``flags`` is ``openfeature.api``."""

    def __init__(self, flags: Any) -> None:
        self.events: List[Any] = []
        for event in ProviderEvent:
            flags.add_handler(event, partial(self._record, event))

    def _record(self, event: ProviderEvent, details: Any) -> None:
        self.events.append((event, details))

    def wait_for(self, event: ProviderEvent, count: int = 1) -> Any:
        """Return the details of the last ``event`` of our provider, after it has occurred ``count`` times."""
        assert eventually(lambda: len(self.of(event)) >= count), self.events
        return self.of(event)[-1]

    def of(self, event: ProviderEvent) -> List[Any]:
        found = [details for name, details in list(self.events) if name is event]
        return [details for details in found if details.provider_name == "adobe-target"]


def test_1_7_3_and_5_3_1_a_provider_is_ready_after_its_initialization(clients: Any) -> None:
    provider = TargetProvider(clients["on-device"])
    events = RecordedEvents(api)  # openfeature-sdk 0.8 does not call a new handler of a domain for earlier events
    set_provider_and_wait(provider, "tests")
    assert api.get_client("tests").get_provider_status() == ProviderStatus.READY
    events.wait_for(ProviderEvent.PROVIDER_READY)


def test_1_7_4_no_artifact_is_an_error_until_one_is_downloaded(edge: LocalEdge) -> None:
    flags = api.get_client("tests")
    events = RecordedEvents(api)
    with edge.fail(503):
        options = options_for(edge, **on_device_at(edge))
        provider = TargetProvider(options)  # type: ignore[arg-type]
        with pytest.raises(Exception, match="the rule artifact is not available yet"):
            provider.initialize(CONTEXT)
        provider.shutdown()
        try:
            set_provider_and_wait(provider, "tests")
        except Exception as error:  # noqa: BLE001 - only some versions of the package raise here
            assert "the rule artifact is not available yet" in str(error)
        assert flags.get_provider_status() == ProviderStatus.ERROR
        assert events.wait_for(ProviderEvent.PROVIDER_ERROR).error_code == ErrorCode.GENERAL
        details = evaluate(flags, "boolean", "flags.on", False)
        assert (details.value, details.error_code) == (False, ErrorCode.PROVIDER_NOT_READY)
    assert eventually(lambda: evaluate(flags, "boolean", "flags.on", False).value)
    events.wait_for(ProviderEvent.PROVIDER_READY)
    assert flags.get_provider_status() == ProviderStatus.READY
    assert events.of(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED) == []


@pytest.mark.parametrize("given", ["options", "client"])
def test_1_7_5_invalid_options_and_a_closed_client_are_fatal(given: str, edge: LocalEdge) -> None:
    client = client_of(edge)
    client.close()
    source: Any = {"client": "a b", "organization_id": "1@AdobeOrg"} if given == "options" else client
    with pytest.raises(Exception, match="Invalid option 'client'" if given == "options" else "the client is closed"):
        TargetProvider(source).initialize()
    api.set_provider(TargetProvider(source), "tests")
    flags = api.get_client("tests")
    assert eventually(lambda: flags.get_provider_status() == ProviderStatus.FATAL)
    assert evaluate(flags, "boolean", "flags.on", False).error_code == ErrorCode.PROVIDER_FATAL


def test_2_5_2_a_provider_is_not_ready_after_its_shutdown(clients: Any) -> None:
    provider = TargetProvider(clients["on-device"])
    set_provider_and_wait(provider, "tests")
    provider.shutdown()
    assert evaluate(api.get_client("tests"), "boolean", "flags.on", False).error_code == ErrorCode.PROVIDER_NOT_READY
    provider.shutdown()
    provider.initialize()
    assert evaluate(api.get_client("tests"), "boolean", "flags.on", False).value is True


def test_2_5_1_shutdown_closes_only_a_client_that_the_provider_created(edge: LocalEdge) -> None:
    with client_of(edge) as given:
        subscriptions = given._events.subscription_count
        flags_of(given, "given")
        flags_of(options_for(edge), "created")
        created = api.get_client("created").provider._client  # type: ignore[attr-defined]
        api.clear_providers()
        assert (given._is_closed, created._is_closed) == (False, True)
        assert given._events.subscription_count == subscriptions


def test_5_1_1_a_new_artifact_emits_configuration_changed() -> None:
    with LocalEdge(ACTIVITIES) as edge, client_of(edge, **on_device_at(edge)) as client:
        flags = flags_of(client)
        events = RecordedEvents(flags)
        edge.load(json.loads(json.dumps(ACTIVITIES).replace('"hi"', '"hello"')))
        details = events.wait_for(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
        assert details.message == "another rule artifact is in use"
        assert evaluate(flags, "string", "flags.text", "").value == "hello"
        assert flags.get_provider_status() == ProviderStatus.READY


def test_5_3_5_a_failed_download_makes_the_provider_stale_until_one_succeeds() -> None:
    with LocalEdge(ACTIVITIES) as edge, client_of(edge, **on_device_at(edge)) as client:
        flags = flags_of(client)
        events = RecordedEvents(flags)
        with edge.fail(503):
            assert "could not be updated" in events.wait_for(ProviderEvent.PROVIDER_STALE).message
            assert flags.get_provider_status() == ProviderStatus.STALE
            assert evaluate(flags, "boolean", "flags.on", False).value is True
        # The client emits no event if the server confirms the artifact, so the next evaluation reports the new state.
        assert eventually(lambda: evaluate(flags, "boolean", "flags.on", False).value and client_is_fresh(client))
        evaluate(flags, "boolean", "flags.on", False)
        assert flags.get_provider_status() == ProviderStatus.READY
        events.wait_for(ProviderEvent.PROVIDER_READY, 2)


def client_is_fresh(client: TargetClient) -> bool:
    source = client._processes.get().artifacts
    return source is not None and source.last_error is None


@pytest.mark.parametrize(
    ("method", "event"),
    [("server-side", ProviderEvent.PROVIDER_ERROR), ("hybrid", ProviderEvent.PROVIDER_STALE), ("on-device", None)],
)
def test_5_1_1_the_event_for_an_open_circuit_depends_on_the_method(method: str, event: Any, edge: LocalEdge) -> None:
    options: Dict[str, Any] = {"artifact_payload": edge.rules, "polling_interval": 0}
    with client_of(edge, decisioning_method=method, **options) as client:
        flags = flags_of(client)
        events = RecordedEvents(flags)
        events.wait_for(ProviderEvent.PROVIDER_READY)
        circuit = {"origin": f"http://{edge.domain}", "failures": 5, "calls": 5, "cause": "503"}
        client.event_emitter("circuit_opened", {**circuit, "origin": "http://other.example:80"})
        assert flags.get_provider_status() == ProviderStatus.READY
        client.event_emitter("circuit_opened", circuit)
        if event is None:
            assert flags.get_provider_status() == ProviderStatus.READY
            return
        assert "the edge is not available" in events.wait_for(event).message
        client.event_emitter("circuit_closed", {**circuit, "open_seconds": 1.0})
        events.wait_for(ProviderEvent.PROVIDER_READY, 2)
        assert flags.get_provider_status() == ProviderStatus.READY


def test_an_open_circuit_puts_the_provider_into_the_error_state(edge: LocalEdge) -> None:
    with client_of(edge, retries=1) as client:
        flags = flags_of(client)
        events = RecordedEvents(flags)
        with edge.fail(503):
            for _ in range(20):
                evaluate(flags, "boolean", "flags.on", False)
        assert events.wait_for(ProviderEvent.PROVIDER_ERROR).error_code == ErrorCode.GENERAL
        assert flags.get_provider_status() == ProviderStatus.ERROR


def test_the_providers_of_two_domains_use_their_own_clients(edge: LocalEdge) -> None:
    other = json.loads(json.dumps(ACTIVITIES).replace('"hi"', '"hello"'))
    with LocalEdge(other) as second, client_of(edge) as one, client_of(second) as two:
        first_flags, second_flags = flags_of(one, "one"), flags_of(two, "two")
        assert evaluate(first_flags, "string", "flags.text", "").value == "hi"
        assert evaluate(second_flags, "string", "flags.text", "").value == "hello"


def test_a_provider_of_two_domains_is_initialized_once(clients: Any) -> None:
    provider = TargetProvider(clients["on-device"])
    subscriptions = clients["on-device"]._events.subscription_count
    set_provider_and_wait(provider, "one")
    subscribed = clients["on-device"]._events.subscription_count
    set_provider_and_wait(provider, "two")
    assert clients["on-device"]._events.subscription_count == subscribed > subscriptions
    for domain in ("one", "two"):
        assert evaluate(api.get_client(domain), "boolean", "flags.on", False).value is True


@pytest.mark.parametrize("method", METHODS)
def test_a_fake_client_needs_no_network(method: str) -> None:
    client = FakeTargetClient.create(decisioning_method=method)
    client.set_attributes("checkout", {"express": True})
    flags = flags_of(client)
    assert evaluate(flags, "boolean", "checkout.express", False).value is True
    client.set_attributes("checkout", {"express": False})
    assert evaluate(flags, "boolean", "checkout.express", True).value is False


# 6 Tracking

tracking = pytest.mark.skipif(
    not hasattr(OpenFeatureClient, "track"), reason="openfeature-sdk before 0.9 has no tracking"
)


@tracking
@pytest.mark.parametrize("method", METHODS)
def test_6_1_track_sends_a_notification(method: str, edge: LocalEdge, clients: Any) -> None:
    from openfeature.track import TrackingEventDetails  # noqa: PLC0415 - openfeature-sdk 0.9 and newer

    flags, context = flags_of(clients[method]), EvaluationContext("customer-1", {"member": "gold"})
    flags.track("signed up", context)
    flags.track("rated", context, TrackingEventDetails(4.5, {"product": {"id": "p-1"}}))
    flags.track("bought", context, TrackingEventDetails(99.5, {"order_id": "o-1", "purchased_product_ids": ["p-1"]}))
    assert clients[method].flush(LONG)
    sent = {each["mbox"]["name"]: each for each in edge.notifications[-3:]}
    assert sent["signed up"]["parameters"] == {"member": "gold"}
    assert sent["rated"]["parameters"] == {"member": "gold", "product.id": "p-1", "value": "4.5"}
    assert sent["bought"]["order"] == {"id": "o-1", "total": 99.5, "purchasedProductIds": ["p-1"]}
    assert {each["type"] for each in sent.values()} == {"display"}
    assert edge.requests[-1].body["id"]["thirdPartyId"] == "customer-1"


@tracking
@pytest.mark.parametrize(
    ("context", "attributes", "message"),
    [
        (EvaluationContext(), {}, "the evaluation context has no targeting key"),
        (CONTEXT, {"cart": {"total": float("inf")}}, "attributes['cart']['total']: inf is not a JSON number"),
        (CONTEXT, {"order_id": "secret" * 99}, "expected a name of up to 250 characters"),
    ],
)
def test_a_tracking_event_that_cannot_be_sent_is_logged(
    context: EvaluationContext, attributes: Any, message: str, clients: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from openfeature.track import TrackingEventDetails  # noqa: PLC0415 - openfeature-sdk 0.9 and newer

    flags_of(clients["server-side"]).track("signed up", context, TrackingEventDetails(1.0, attributes))
    assert f"The tracking event 'signed up' was not sent: {message}" in caplog.text
    assert "secret" not in caplog.text


# Asynchronous evaluation and explanations


def test_an_awaited_evaluation_does_not_block_the_event_loop(edge: LocalEdge) -> None:
    """The request waits for an event that the event loop sets during the evaluation."""
    is_open = threading.Event()

    def headers(request: Any) -> Dict[str, str]:
        return {"X-Gate": "open" if is_open.wait(LONG / 1000) else "closed"}

    async def main(flags: OpenFeatureClient) -> Any:
        evaluation = asyncio.ensure_future(flags.get_boolean_value_async("flags.on", False, CONTEXT))
        while client.stats()["running"] == 0:
            await asyncio.sleep(0)
        is_open.set()
        return await evaluation

    with client_of(edge, headers=headers) as client:
        assert asyncio.run(main(flags_of(client))) is True
    assert edge.requests[-1].headers["x-gate"] == "open"


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
def test_an_explanation_is_added_to_on_device_decisions(is_async: bool, clients: Any) -> None:
    flags = flags_of(clients["on-device"], explain=True)
    details = evaluate(flags, "boolean", "gold.on", False, is_async=is_async)
    assert 'activity 8 "Gold"' in str(details.flag_metadata["explanation"])
    assert "NO" in str(details.flag_metadata["explanation"])
    flags = flags_of(clients["server-side"], explain=True)
    assert "explanation" not in evaluate(flags, "boolean", "flags.on", False, is_async=is_async).flag_metadata


def test_the_error_of_a_failed_explanation_is_named(clients: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def explain(*arguments: Any) -> None:
        raise OptionError("customer-1")

    monkeypatch.setattr(clients["on-device"], "explain", explain)
    details = evaluate(flags_of(clients["on-device"], explain=True), "boolean", "flags.on", False)
    assert (details.value, details.flag_metadata["explanation"]) == (True, "not available: OptionError")
