"""Functions of 1.1.0's modules, each with a few arguments."""

import importlib
import json
import subprocess
import sys
from typing import Any, Callable, Dict, List, Sequence, Tuple

from as_json import as_json, outcome
from environment import Environment, Visitor, execute, mbox, request

import delivery_api_client as api

#: A module, a function in it, and the arguments of each call.
Row = Tuple[str, str, Sequence[Tuple[Any, ...]]]


def _id() -> str:
    return "made-id"


def _pc(age: Any = 4000000000) -> Dict[str, Any]:
    return {"PC": {"name": "PC", "value": "visitor-1.35_0", "expires": age}}


def _answer() -> Any:
    tokens = {"activity.id": 1, "geo.city": None}
    option = api.Option(type="html", content="x", response_tokens=tokens)
    analytics = api.AnalyticsResponse(payload=api.AnalyticsPayload(pe="tnt", tnta="1:2:3"))
    each = api.MboxResponse(index=0, name="a", options=[option], analytics=analytics, trace={"t": 1})
    pre = api.PrefetchMboxResponse(index=1, name="b", options=[option], trace={"t": 2})
    page = api.PageLoadResponse(options=[option], analytics=analytics, trace={"t": 3})
    view = api.View(name="v", options=[option, api.Option()], trace={"t": 4})
    return api.DeliveryResponse(
        status=200,
        id=api.VisitorId(tnt_id="visitor-9.28_0"),
        edge_host="mboxedge28.tt.omtrdc.net",
        execute=api.ExecuteResponse(page_load=page, mboxes=[each]),
        prefetch=api.PrefetchResponse(page_load=page, mboxes=[pre], views=[view]),
    )


def _notification(**fields: Any) -> Any:
    return api.Notification(**{"id": "n", "type": "click", "timestamp": 1, **fields})


ODD_VALUES = ((None,), ("",), ("a",), (0,), (1.5,), ([],), ([1],), ({},), ({"a": 1},), (True,), ("12",), ("1.5",))
COOKIE = "session#s-1#4000000000|PC#visitor-1.35_0#4000000000"

COOKIES: List[Row] = [
    ("cookies", "create_internal_cookie", [("PC", "v", 5), (None, None, None)]),
    ("cookies", "deserialize_cookie", [("PC#v.35_0#4000000000",), ("PC#a%20b#5",), ("PC#v",), ("PC#v#x",), ("",)]),
    ("cookies", "serialize_cookie", [({"name": "PC", "value": "a b/c#|ü", "expires": 5},)]),
    ("cookies", "get_internal_cookies", [(COOKIE,), ("",), ("x",), ("a#b#1|c#d#2",), ("|",)]),
    ("cookies", "get_expires", [({"name": "PC", "value": "v", "expires": 5},)]),
    ("cookies", "get_max_expires", [([{"expires": 5}, {"expires": 9}],), ([{"expires": 5}],)]),
    ("cookies", "parse_cookies", [(COOKIE,), ("",), (None,), ("garbage",), ("session#s#5",), ("x#y#4000000000",)]),
]

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"

HELPER: List[Row] = [
    (
        "helper",
        "get_session_id",
        [
            ({}, "given", _id),
            ({}, None, _id),
            ({}, "", _id),
            ({"session": {"name": "session", "value": "kept", "expires": 4000000000}}, "given", _id),
        ],
    ),
    (
        "helper",
        "get_target_host",
        [
            (None, None, "acme", True),
            (None, "35", "acme", True),
            ("own.example", None, "acme", False),
            ("own.example", "35", "acme", True),
            (None, None, "acme", None),
        ],
    ),
    (
        "helper",
        "extract_cluster_from_device_id",
        [("v.35_0",), ("v",), ("",), (None,), ("v.35",), ("a.b.28_0",), ("v.x_y_z",)],
    ),
    ("helper", "get_device_id", [({},), (_pc(),), (_pc(5),)]),
    ("helper", "get_cluster", [("v.35_0", "28"), ("v", "28"), (None, "28"), (None, None), ("", "")]),
    ("helper", "get_marketing_cloud_visitor_id", [(None,), (Visitor(),), (Visitor({"MCMID": "5"}),)]),
    (
        "helper",
        "get_visitor_customer_ids",
        [(None,), (Visitor(),), (Visitor(state={"o": {"customer_ids": {"a": {}}}}),)],
    ),
    (
        "helper",
        "get_customer_ids",
        [
            (None, None),
            ([], None),
            ([api.CustomerId(id="i", integration_code="c", authenticated_state="unknown")], None),
        ],
    ),
    ("helper", "set_channel", [("web",), ("mobile",), (None,)]),
    ("helper", "get_location_hint", [("9",), (None,), ("",), ("x",)]),
    ("helper", "valid_mbox", [(mbox(),), (mbox(name=None),), (mbox(name=""),)]),
    (
        "helper",
        "valid_notification",
        [(_notification(),), (_notification(id=None),), (_notification(type=None),), (_notification(timestamp=None),)],
    ),
    ("helper", "get_target_cookie", [("s-1", "v.35_0"), ("s-1", None), ("a b", "v/w")]),
    (
        "helper",
        "extract_cluster_from_edge_host",
        [("mboxedge35.tt.omtrdc.net",), ("other.example",), ("",), (None,), ("mboxedge.tt.omtrdc.net",)],
    ),
    (
        "helper",
        "get_target_location_hint_cookie",
        [("35",), (None, "mboxedge28.tt.omtrdc.net"), (None, None), ("35", "x")],
    ),
    ("helper", "get_analytics_details", [(_answer(),), (api.DeliveryResponse(),)]),
    ("helper", "get_trace_details", [(_answer(),), (api.DeliveryResponse(),)]),
    ("helper", "get_response_tokens", [(_answer(),), (api.DeliveryResponse(),)]),
    ("helper", "get_analytics_from_object", [(None,), (_answer().execute.page_load,)]),
    ("helper", "get_analytics_from_list", [(None,), ([],), (_answer().execute.mboxes,)]),
    ("helper", "get_trace_from_object", [(None,), (_answer().execute.page_load,)]),
    ("helper", "get_trace_from_list", [(None,), (_answer().execute.mboxes,)]),
    ("helper", "get_response_tokens_from_object", [(None,), (_answer().execute.page_load,)]),
    ("helper", "get_response_tokens_from_list", [(None,), (_answer().execute.mboxes,)]),
    (
        "validators",
        "validate_client_options",
        [(None,), ({},), ({"client": "c"},), ({"client": "c", "organization_id": "o"},)],
    ),
    ("validators", "validate_get_offers_options", [(None,), ({},), ({"request": request()},), ({"request": 5},)]),
    (
        "validators",
        "validate_send_notifications_options",
        [(None,), ({},), ({"request": request()},), ({"request": request(notifications=[_notification()])},)],
    ),
]

TOOLS: List[Row] = [
    ("utils", "requires_decisioning_engine", [("on-device",), ("hybrid",), ("server-side",), (None,)]),
    ("utils", "get_property_token", [(None,), (api.ModelProperty(token="t"),)]),
    (
        "utils",
        "get_property",
        [
            ({"property_token": "c"}, request()),
            ({}, request(_property=api.ModelProperty(token="r"))),
            ({}, request()),
            ({"property_token": "c"}, request(_property=api.ModelProperty(token="r"))),
        ],
    ),
    ("utils", "decisioning_engine_ready", [(None,)]),
    ("utils", "has_requested", [("mboxes", request()), ("views", request())]),
    (
        "utils",
        "has_requested_views",
        [
            (request(),),
            (request(prefetch=api.PrefetchRequest(views=[api.ViewRequest()])),),
            (request(prefetch=api.PrefetchRequest(views=[])),),
        ],
    ),
    ("utils", "get_names_for_requested", [("mboxes", request()), ("views", request())]),
    ("utils", "get_mbox_names", [(request(),), (request(execute=execute(mbox("a"), mbox("b"))),)]),
    (
        "utils",
        "get_view_names",
        [(request(),), (request(prefetch=api.PrefetchRequest(views=[api.ViewRequest(name="v")])),)],
    ),
    ("utils", "add_mboxes_to_request", [(["b"], request()), (["home"], request()), (["b"], request(), "prefetch")]),
    ("utils", "noop", [(), (1, 2)]),
    *[
        ("utils", name, ODD_VALUES)
        for name in ("is_string", "is_int", "parse_int", "parse_float", "is_dict", "is_list")
    ],
    ("utils", "is_empty", ODD_VALUES[:9]),
    ("utils", "flatten_list", [([[1], [2, [3]]],), ([],), ([[1, 2], []],)]),
    ("utils", "remove_empty_values", [({"a": None, "b": 0, "c": "", "d": []},), ({},)]),
    ("utils", "to_dict", [(mbox(),), (None,), ({"a": mbox()},), ([mbox()],), (5,)]),
    ("utils", "get_value_from_object", [(mbox(), "name"), (mbox(), "nobody"), ({"a": 1}, "a"), ({"a": 1}, "b")]),
    ("utils", "get_epoch_time_milliseconds", [()]),
    ("utils", "get_epoch_time", [()]),
    ("utils", "create_uuid", [()]),
    ("utils", "get_timezone_offset", [()]),
    ("hashing", "hash_unencoded_chars", [("",), ("a",), ("acmeclient.1.visitor", 0), ("ü☃", 7)]),
    ("hashing", "hash_unencoded_chars_raw", [("",), ("a",), ("acmeclient.1.visitor", 0), ("ü☃", 7)]),
    ("hashing", "int32", [(2**31,), (-1,), (5,)]),
    ("hashing", "mul32", [(3, 5), (2**30, 7), (-3, 2**31 - 1)]),
    ("hashing", "zero_fill_right_shift", [(-1, 15), (2**31, 3), (5, 0)]),
    ("hashing", "char_code_at", [("abc", 1), ("ü", 0)]),
    ("client_info", "browser_from_user_agent", [(None,), ("",), (FIREFOX,)]),
    ("client_info", "operating_system_from_user_agent", [("",), (FIREFOX,)]),
    ("client_info", "device_type_from_user_agent", [("",), (FIREFOX,)]),
    ("messages", "attribute_not_exist", [("key", "mbox")]),
    ("messages", "property_token_mismatch", [("a", "b")]),
    ("event_provider", "target_event", [("ready",), ("ready", {"a": 1}), ("ready", {"type": "other"})]),
    ("attributes_provider", "create_indexed", [(_answer(),)]),
    (
        "response_helpers",
        "create_options",
        [({"options": [{"type": "html", "content": "x", "eventToken": "t"}]},), ({},)],
    ),
    (
        "response_helpers",
        "create_metrics",
        [({"metrics": [{"type": "click", "selector": "#a", "eventToken": "t"}]},), ({},)],
    ),
    ("response_helpers", "create_mbox_response", [({"name": "m", "options": [], "metrics": []},)]),
    (
        "response_helpers",
        "create_action",
        [({"type": "setHtml", "selector": "#a", "cssSelector": "#a", "content": "x"},)],
    ),
]

CONSTANTS = {
    "target_python_sdk": ("CLIENT_READY", "CLIENT_READY_DELAY", "DEFAULT_TIMEOUT", "DEFAULT_OPTS"),
    "target_python_sdk.cookies": ("TARGET_COOKIE", "SESSION_ID_COOKIE", "DEVICE_ID_COOKIE", "LOCATION_HINT_COOKIE"),
    "target_python_sdk.helper": (
        "AUTH_STATE", "EDGE_CLUSTER_PREFIX", "HOST", "SESSION_ID_MAX_AGE", "DEVICE_ID_MAX_AGE", "LOCATION_HINT_MAX_AGE",
    ),
    "target_tools.constants": (
        "DEFAULT_GLOBAL_MBOX", "DEFAULT_NUM_FETCH_RETRIES", "DEFAULT_MAXIMUM_WAIT_READY", "REQUEST_TYPES",
        "ENVIRONMENT_PROD", "ENVIRONMENT_STAGE", "ENVIRONMENT_DEV", "POSSIBLE_ENVIRONMENTS", "EMPTY_STRING",
        "MILLISECONDS_IN_SECOND",
    ),
    "target_tools.logger": ("LOGGER_NAME",),
    "target_tools.client_info": ("OTHER", "UNKNOWN", "DESKTOP"),
    "target_tools.utils": ("SECONDS_IN_MINUTE", "MBOXES", "VIEWS", "REQUEST_TYPE_MAP"),
    "target_tools.messages": ("DECISIONING_ENGINE_NOT_READY",),
    "target_decisioning_engine.events": (
        "ARTIFACT_DOWNLOAD_SUCCEEDED", "ARTIFACT_DOWNLOAD_FAILED", "GEO_LOCATION_UPDATED",
    ),
}  # fmt: skip


def call_function(package: str, row: Row) -> Callable[[Environment], Any]:
    """Return a scenario that calls a function, and returns the results and any changed arguments."""
    module, name, calls = row

    def scenario(env: Environment) -> Any:
        function = getattr(importlib.import_module(f"{package}.{module}"), name)
        results = [
            as_json(outcome(lambda call_arguments=call_arguments: function(*call_arguments)))
            for call_arguments in calls
        ]
        arguments = None
        if name in FUNCTIONS_THAT_CHANGE_ARGUMENTS:
            arguments = [as_json(list(call_arguments)) for call_arguments in calls]
        return {"results": results, "arguments": arguments}

    return scenario


FUNCTIONS_THAT_CHANGE_ARGUMENTS = ("add_mboxes_to_request",)


def constants(module: str, names: Sequence[str]) -> Callable[[Environment], Any]:
    """Return a scenario of a module's constants."""
    return lambda env: {name: as_json(getattr(importlib.import_module(module), name, "missing")) for name in names}


#: Names to look up in a program that imports only the packages. The name ``nobody`` does not exist.
ATTRIBUTES = {
    "target_python_sdk": (
        "cookies.TARGET_COOKIE", "cookies.parse_cookies", "helper.EDGE_CLUSTER_PREFIX", "helper.get_device_id",
        "validators.validate_client_options", "messages.MESSAGES", "types.target_delivery_response",
    ),
    "target_tools": (
        "utils.SECONDS_IN_MINUTE", "utils.is_string", "constants.DEFAULT_GLOBAL_MBOX", "messages.attribute_not_exist",
        "types.limited_key_dict", "perf_tool.get_perf_tool_instance", "client_info.browser_from_user_agent",
        "hashing.hash_unencoded_chars", "response_helpers.create_options", "enums.DecisioningMethod",
        "logger.LOGGER_NAME", "attributes_provider.AttributesProvider", "event_provider.EventProvider",
        "nobody",
    ),
    "target_decisioning_engine": (
        "constants", "events.ARTIFACT_DOWNLOAD_FAILED", "types.decisioning_config.DecisioningConfig",
        "types.target_delivery_request.TargetDeliveryRequest", "types.decision_provider_response",
    ),
    "delivery_api_client": (
        "Model.MboxRequest", "api.delivery_api.DeliveryApi", "api_client.ApiClient", "configuration.Configuration",
        "exceptions.ApiException", "rest.RESTClientObject", "nobody",
    ),
}  # fmt: skip

#: A program that imports packages and prints what it finds in them.
LOOKUP_PROGRAM = """
import functools, json, sys, warnings
warnings.simplefilter("ignore")
import target_python_sdk, target_tools, target_decisioning_engine, delivery_api_client
def found(path):
    package, _, names = path.partition(".")
    try:
        value = functools.reduce(getattr, names.split("."), globals()[package])
    except AttributeError:
        return "not there"
    kinds = {"callable": callable(value), "module": type(value) is type(sys)}
    return value if isinstance(value, (str, int)) else [kind for kind in kinds if kinds[kind]]
print(json.dumps({path: found(path) for path in json.loads(sys.argv[1])}))
"""


def modules_as_attributes(package: str) -> Callable[[Environment], Any]:
    """Return a scenario that looks up the attributes in a process that imports nothing but the packages."""
    paths = [f"{package}.{path}" for path in ATTRIBUTES[package]]

    def scenario(env: Environment) -> Any:
        command = [sys.executable, "-c", LOOKUP_PROGRAM, json.dumps(paths)]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

    return scenario


def target_cookie(env: Environment) -> Any:
    """Create a cookie. Round its age to ten seconds, because 1.1.0 rounds times up (B56)."""
    create_target_cookie = importlib.import_module("target_python_sdk.cookies").create_target_cookie
    parts = [
        {"name": "session", "value": "s", "expires": int(env.now) + 605},
        {"name": "PC", "value": "v", "expires": 5},
    ]
    cookie = create_target_cookie(parts)
    return {**cookie, "maxAge": round(cookie["maxAge"], -1)}


def messages(env: Environment) -> Any:
    """Return the messages, and the results of those that are functions."""
    texts = importlib.import_module("target_python_sdk.messages").MESSAGES
    return {key: as_json(value("x") if callable(value) else value) for key, value in sorted(texts.items())}


def events(env: Environment) -> Any:
    """Use an ``EventProvider``."""
    received_events: Any = []
    provider = importlib.import_module("target_tools.event_provider").EventProvider({"a": received_events.append})
    ids = [provider.subscribe("a", received_events.append), provider.subscribe("b", received_events.append)]
    provider.emit("a", {"n": 1})
    provider.unsubscribe(ids[0])
    provider.emit("a", {"n": 2})
    provider.emit("b")
    return {"ids": ids, "given": as_json(received_events), "count": provider.subscription_count}


def limited_keys(env: Environment) -> Any:
    """Use a ``TargetDeliveryResponse``, which limits its keys in 1.1.0."""
    envelope = importlib.import_module("target_python_sdk.types.target_delivery_response").TargetDeliveryResponse(
        status=1, meta={"a": 1}
    )
    return {
        "made": as_json(envelope),
        "set": as_json(outcome(lambda: envelope.__setitem__("nobody", 1))),
        "copy": type(envelope.copy()).__name__,
    }


def timings(env: Environment) -> Any:
    """Use the performance tool; times are compared by type only."""
    get_perf_tool_instance = importlib.import_module("target_tools.perf_tool").get_perf_tool_instance
    tool = get_perf_tool_instance()
    tool.reset()
    tool.time_start("a")
    return {
        "one instance": tool is get_perf_tool_instance(),
        "end": type(tool.time_end("a")).__name__,
        "timings": sorted(tool.get_timings()),
        "nobody's": as_json(outcome(lambda: tool.get_timing("nobody"))),
        "never begun": as_json(outcome(lambda: tool.time_end("nobody"))),
    }


SCENARIOS: Dict[str, Callable[[Environment], Any]] = {
    **{f"{row[0]}.{row[1]}": call_function("target_python_sdk", row) for row in COOKIES + HELPER},
    **{f"{row[0]}.{row[1]}": call_function("target_tools", row) for row in TOOLS},
    **{"constants of " + module: constants(module, names) for module, names in CONSTANTS.items()},
    **{"modules as attributes of " + package: modules_as_attributes(package) for package in ATTRIBUTES},
    "cookies.create_target_cookie": target_cookie,
    "messages": messages,
    "EventProvider": events,
    "dicts of limited keys": limited_keys,
    "perf_tool": timings,
}
