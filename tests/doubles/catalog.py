"""The doubles and monitors of the matrix, in the order of its table."""

from typing import Any, Callable, Dict, NamedTuple, Tuple

from tests.doubles import answering, blocking, monitors, phases
from tests.doubles.calls import Caller

ANSWERS, BLOCKS, SEES, TRACES, REPLAYS, REAL_CLOCK = (
    "answers",
    "blocks",
    "sees it",
    "child span",
    "replays",
    "real clock",
)


class Double(NamedTuple):
    """One row of the table."""

    name: str
    #: Its effect on a call.
    effect: str
    #: Runs the calls in the process of the double; the second argument stops the server.
    run: Callable[[Caller, Callable[[], None]], Dict[str, Any]]
    #: Modules that must be importable.
    needs: Tuple[str, ...] = ()
    #: The class of the error that it raises, if it blocks.
    error: str = ""


def _with_switch(name: str, effect: str, switch: phases.Switch, *needs: str, error: str = "") -> Double:
    return Double(name, effect, lambda call, _: phases.call_with_switch(call, switch), needs, error)


def _with_monitor(name: str, make: Callable[[], Any], *needs: str) -> Double:
    return Double(name, TRACES, lambda call, _: phases.call_with_monitor(call, make), needs)


ALL: Tuple[Double, ...] = (
    _with_monitor(
        "OpenTelemetry, urllib3",
        monitors.OpenTelemetry,
        "opentelemetry.sdk",
        "opentelemetry.instrumentation.urllib3",
    ),
    _with_monitor(
        "OpenTelemetry, urllib3 and threading",
        monitors.OpenTelemetryWithThreads,
        "opentelemetry.sdk",
        "opentelemetry.instrumentation.urllib3",
        "opentelemetry.instrumentation.threading",
    ),
    _with_monitor("Sentry", monitors.Sentry, "sentry_sdk"),
    _with_monitor("Elastic APM", monitors.ElasticApm, "elasticapm"),
    _with_monitor("Datadog", monitors.Datadog, "ddtrace"),
    _with_switch("pook", ANSWERS, answering.pook, "pook"),
    _with_switch("pook, no match", BLOCKS, blocking.pook_without_match, "pook", error="PookNoMatches"),
    _with_switch("urllib3-mock", ANSWERS, answering.urllib3_mock, "urllib3_mock"),
    _with_switch(
        "urllib3-mock, no match", BLOCKS, blocking.urllib3_mock_without_match, "urllib3_mock", error="ProtocolError"
    ),
    Double("vcrpy", REPLAYS, phases.record_and_replay, ("vcr",)),
    _with_switch(
        "vcrpy, nothing recorded",
        BLOCKS,
        blocking.empty_cassette,
        "vcr",
        error="CannotOverwriteExistingCassetteException",
    ),
    Double("pytest-recording", REPLAYS, phases.record_and_replay_with_plugin, ("vcr", "pytest_recording")),
    _with_switch(
        "pytest-recording, block_network", BLOCKS, blocking.blocked_network, "pytest_recording", error="RuntimeError"
    ),
    _with_switch("httpretty", ANSWERS, answering.httpretty, "httpretty"),
    _with_switch("httpretty, no match", BLOCKS, blocking.httpretty_without_match, "httpretty", error="UnmockedError"),
    _with_switch("mocket", ANSWERS, answering.mocket, "mocket"),
    _with_switch("mocket, no match", BLOCKS, blocking.mocket_without_match, "mocket", error="StrictMocketException"),
    _with_switch("pytest-socket", BLOCKS, blocking.pytest_socket, "pytest_socket", error="SocketBlockedError"),
    _with_switch(
        "pytest-socket, allow_hosts",
        BLOCKS,
        blocking.pytest_socket_hosts,
        "pytest_socket",
        error="SocketConnectBlockedError",
    ),
    Double("freezegun", REAL_CLOCK, lambda call, _: phases.call_with_frozen_clock(call), ("freezegun",)),
    _with_switch("`urllib3.PoolManager` patched", ANSWERS, answering.patched_manager),
    _with_switch("`urllib3.PoolManager.urlopen` patched", ANSWERS, answering.patched_manager_urlopen),
    _with_switch("`delivery_api_client.rest.urllib3.PoolManager` patched", ANSWERS, answering.patched_manager_of_rest),
    _with_switch("`urllib3.HTTPConnectionPool.urlopen` patched", ANSWERS, answering.patched_pool_urlopen),
    _with_switch("`urllib3.util.connection.create_connection` patched", ANSWERS, answering.patched_create_connection),
    _with_switch(
        "`urllib3.util.connection.create_connection` raises",
        BLOCKS,
        blocking.create_connection_forbidden,
        error="Forbidden",
    ),
    _with_switch("`http.client.HTTPConnection.putrequest` wrapped", SEES, blocking.putrequest_spied),
    _with_switch(
        "`http.client.HTTPConnection.putrequest` raises", BLOCKS, blocking.putrequest_forbidden, error="Forbidden"
    ),
    _with_switch("`http.client.HTTPConnection.endheaders` wrapped", SEES, blocking.endheaders_spied),
    _with_switch(
        "`http.client.HTTPConnection.endheaders` raises", BLOCKS, blocking.endheaders_forbidden, error="Forbidden"
    ),
)
BY_NAME = {double.name: double for double in ALL}
