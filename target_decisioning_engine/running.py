"""What an engine works with: the runtime of an on-device client, one for each process.

It differs from a client's in what it does beside deciding.  It asks the edge for
nothing, and what it owes the edge it hands to the application.
"""

from functools import partial
from typing import Any, Callable, Dict, Mapping, Optional

from target_decisioning_engine.messages import MESSAGES
from target_decisioning_engine.types.decision_provider_response import DecisionProviderResponse
from target_decisioning_engine.types.decisioning_config import DecisioningConfig, nobody
from target_decisioning_engine.types.target_delivery_request import TargetDeliveryRequest
from target_python_sdk.artifact.source import GEO_LOCATION_UPDATED
from target_python_sdk.decisioning.dependency import remote_parts
from target_python_sdk.delivery.call_options import call_options
from target_python_sdk.delivery.conversion import convert_request
from target_python_sdk.delivery.geo import given_geo, look_up, wants_look_up
from target_python_sdk.delivery.here import Newest
from target_python_sdk.delivery.option_parsers import MAX_MILLISECONDS, number
from target_python_sdk.delivery.options import ClientSettings, client_settings
from target_python_sdk.delivery.pipeline import Answer, decided
from target_python_sdk.delivery.prepare import PreparedRequest, prepare_request
from target_python_sdk.runtime import Runtime
from target_python_sdk.types import DecisioningMethod, DeliveryRequest, Telemetry, TelemetryEntry, TelemetryFeatures
from target_tools.clock import Deadline, epoch_milliseconds, monotonic
from target_tools.concurrency.per_process import PerProcess
from target_tools.concurrency.tasks import ContextTask
from target_tools.errors import ArtifactNotAvailable
from target_tools.event_provider import EventProvider
from target_tools.logger import Log
from target_tools.schema.model import copy_with

#: What is an option of a client under the same name.
_OPTIONS = (
    "client",
    "organization_id",
    "artifact_location",
    "artifact_payload",
    "environment",
    "cdn_environment",
    "cdn_base_path",
    "property_token",
)
#: What is an option of a call.
_CALL_OPTIONS = (
    "request",
    "target_cookie",
    "target_location_hint",
    "consumer_id",
    "customer_ids",
    "session_id",
    "visitor",
)


def not_available() -> ArtifactNotAvailable:
    """The error of an engine that has nothing to decide by."""
    return ArtifactNotAvailable(MESSAGES["ARTIFACT_NOT_AVAILABLE"])


class Running:
    """An engine that has been initialized."""

    def __init__(self, config: DecisioningConfig) -> None:
        self._config = config
        self._log = Log()
        self._settings = _settings(config, self._log)
        self._events = _Events(config, self._log)
        made = partial(Runtime, self._settings, self._events, self._log, asks_for_cluster=False)
        self._processes = PerProcess(made, self._stop_if_stopped, Runtime.abandon)
        self.stopped = False

    def begin(self) -> None:
        """Get the first artifact.  Raises ``ArtifactNotAvailable``."""
        self._newest(self._settings.maximum_wait_ready)

    def stop(self) -> None:
        """Look for no newer one."""
        self.stopped = True
        runtime = self._processes.current()
        if runtime is not None and runtime.artifacts is not None:
            runtime.artifacts.stop()

    def document(self) -> Optional[Mapping[str, Any]]:
        """The newest artifact as it came, if one has come."""
        newest = self._processes.get().newest()
        return None if newest is None else newest.artifact.document

    def remote_dependency(self, request: DeliveryRequest) -> Dict[str, Any]:
        """What of ``request`` only the edge can decide."""
        remote = remote_parts(self._newest(self._settings.timeout).artifact, convert_request(request))
        return {"remote_needed": bool(remote), "remote_mboxes": [*remote.mboxes], "remote_views": [*remote.views]}

    def offers(self, asked: TargetDeliveryRequest) -> DecisionProviderResponse:
        """The decision on what is ``asked``."""
        began, settings = monotonic(), self._settings
        deadline = Deadline.after(settings.timeout)
        options = {name: getattr(asked, name) for name in _CALL_OPTIONS}
        newest = self._newest(deadline.remaining())
        prepared = prepare_request(call_options(options, settings, self._log), settings, None, self._log)
        wants_telemetry = self._config.telemetry_enabled
        if wants_telemetry:  # so that there is something to tell, whatever is decided
            prepared = prepared._replace(request=copy_with(prepared.request, telemetry=_telemetry(prepared.request)))
        answer = self._decided(prepared, newest, deadline)
        if answer.geo is not None:
            self._events.emit(GEO_LOCATION_UPDATED, {"geo_context": answer.geo})
        if answer.owed is not None:
            if wants_telemetry:
                _add_entry(answer.owed.request, prepared.request.request_id, began)
            self._tell(answer.owed, options["visitor"])
        return _response(answer)

    def _decided(self, prepared: PreparedRequest, newest: Newest, deadline: Deadline) -> Answer:
        runtime, geo = self._processes.get(), given_geo(prepared.request)
        found = None
        if geo is not None and newest.artifact.geo_targeting_enabled and wants_look_up(geo):
            found = look_up(geo, runtime.here.geo_service, runtime.send, deadline)
        return decided(prepared, newest, runtime.here, geo, found)

    def _newest(self, seconds: float) -> Newest:
        """The newest artifact; the first is waited for, where nobody has waited in vain yet."""
        runtime = self._processes.get()
        newest = runtime.newest() or runtime.first(seconds)
        if newest is None:
            raise not_available() from runtime.why_not_ready()
        return newest

    def _tell(self, owed: PreparedRequest, visitor: Any) -> None:
        """Let a worker tell the application what the edge is to hear of."""
        function = self._config.send_notification_func
        if function is None:
            return
        told = {"request": owed.request, "visitor": visitor, "session_id": owed.session.session_id}
        self._processes.get().workers.submit(_Telling(function, told, self._log))

    def _stop_if_stopped(self, runtime: Runtime) -> None:
        """A child of a process that had stopped looks for no newer artifact either."""
        if self.stopped and runtime.artifacts is not None:
            runtime.artifacts.stop()


class _Events(EventProvider):
    """Hands every event on to ``event_emitter``, by its name and with its payload."""

    def __init__(self, config: DecisioningConfig, log: Log) -> None:
        super().__init__(log=log)
        self._config = config
        self._emitter_log = log

    def has_subscriber(self, event_name: str) -> bool:
        return self._config.event_emitter is not nobody

    def emit(self, event_name: str, payload: Optional[Mapping[str, Any]] = None) -> None:
        try:
            self._config.event_emitter(event_name, payload)
        except Exception:  # noqa: BLE001 - it is the application's, and harms nobody else
            self._emitter_log.exception("event_emitter raised for the event %s", event_name)


class _Telling(ContextTask):
    """One call of ``send_notification_func``."""

    def __init__(self, function: Callable[[Any], object], told: Dict[str, Any], log: Log) -> None:
        super().__init__()
        self._function = function
        self._told = told
        self._log = log

    def _run(self, inline: bool) -> None:
        try:
            self._function(self._told)
        except Exception:  # noqa: BLE001 - it is the application's, and the decision was made
            self._log.exception("send_notification_func raised")
        finally:
            self._end()

    def _drop(self, error: Exception) -> None:
        try:
            self._log.error("Notifications were not handed to send_notification_func (%s)", type(error).__name__)
        finally:
            self._end()

    def _end(self) -> None:
        self.result.complete(None, None)
        del self._function, self._told, self._context


def _settings(config: DecisioningConfig, log: Log) -> ClientSettings:
    """The settings of a client that decides on-device as ``config`` says."""
    options = {name: getattr(config, name) for name in _OPTIONS}
    patience = config.maximum_wait_ready
    if isinstance(patience, (int, float)) and patience < 0:  # 1.1.0's word for "not given"
        patience = None
    options["decisioning_method"] = DecisioningMethod.ON_DEVICE
    options["pool_manager"] = getattr(config, "pool_manager", None)  # a config pickled by 1.1.0 has none
    options["polling_interval"] = _milliseconds("polling_interval", config.polling_interval)
    options["maximum_wait_ready"] = _milliseconds("maximum_wait_ready", patience)
    return client_settings(options, log)


def _milliseconds(option: str, seconds: Any) -> Optional[float]:
    """Seconds of 1.1.0's engine as the milliseconds of a client, a week of them at most."""
    if seconds is None:
        return None
    parsed: float = number("seconds", 0, float("inf"))(option, seconds)
    return min(parsed * 1000, MAX_MILLISECONDS)


def _telemetry(request: DeliveryRequest) -> Telemetry:
    return request.telemetry or Telemetry()


def _add_entry(owed: DeliveryRequest, request_id: Optional[str], began: float) -> None:
    """Tell in ``owed`` how long the decision took."""
    entry = TelemetryEntry(
        request_id=request_id,
        timestamp=epoch_milliseconds(),
        execution=round((monotonic() - began) * 1000, 2),
        features=TelemetryFeatures(decisioning_method=DecisioningMethod.ON_DEVICE),
    )
    owed.telemetry = Telemetry(entries=[*(_telemetry(owed).entries or ()), entry])


def _response(answer: Answer) -> DecisionProviderResponse:
    response, meta = answer.envelope["response"], answer.envelope["meta"]
    return DecisionProviderResponse(
        remote_mboxes=meta["remote_mboxes"],
        remote_views=meta["remote_views"],
        status=response.status,
        request_id=response.request_id,
        _id=response.id,
        client=response.client,
        edge_host=response.edge_host,
        execute=response.execute,
        prefetch=response.prefetch,
    )
