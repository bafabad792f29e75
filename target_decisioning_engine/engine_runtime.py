"""Runs an initialized engine with the same per-process ``Runtime`` as an on-device client.

Unlike a client, an engine sends nothing to the edge. It passes notifications to the application.
"""

from functools import partial
from typing import Any, Callable, Dict, Mapping, Optional

from target_decisioning_engine.messages import MESSAGES
from target_decisioning_engine.types.decision_provider_response import DecisionProviderResponse
from target_decisioning_engine.types.decisioning_config import DecisioningConfig, ignore_event
from target_decisioning_engine.types.target_delivery_request import TargetDeliveryRequest
from target_python_sdk.artifact.update import CurrentArtifact
from target_python_sdk.decisioning.engine import remote_parts
from target_python_sdk.delivery.call_options import Call, call_options
from target_python_sdk.delivery.conversion import convert_request
from target_python_sdk.delivery.on_device import Decision, decide_on_device
from target_python_sdk.delivery.option_parsers import MAX_MILLISECONDS, number
from target_python_sdk.delivery.options import ClientSettings, client_settings
from target_python_sdk.delivery.prepare import PreparedRequest, prepare_request
from target_python_sdk.delivery.visitor_protocol import Visitor
from target_python_sdk.events import GEO_LOCATION_UPDATED, GeoLocationUpdated
from target_python_sdk.notifications import copy_with_displays, notification_request
from target_python_sdk.runtime import Runtime
from target_python_sdk.types import DecisioningMethod, DeliveryRequest, Telemetry, TelemetryEntry, TelemetryFeatures
from target_tools.clock import Deadline, epoch_milliseconds, monotonic
from target_tools.concurrency.lock_free import PerProcess
from target_tools.concurrency.tasks import CallbackTask
from target_tools.errors import ArtifactNotAvailable
from target_tools.event_provider import EventProvider
from target_tools.logger import Log
from target_tools.schema.model import copy_with


def not_available() -> ArtifactNotAvailable:
    """Return the error for an engine without an artifact."""
    return ArtifactNotAvailable(MESSAGES["ARTIFACT_NOT_AVAILABLE"])


class EngineRuntime:
    """The state of an initialized engine."""

    def __init__(self, config: DecisioningConfig) -> None:
        self._config = config
        self._log = Log()
        self._settings = _settings(config, self._log)
        self._events = _Events(config, self._log)
        create = partial(Runtime, self._settings, self._events, self._log, requests_hint=False)
        self._processes = PerProcess(create, self._stop_if_stopped, Runtime.discard_inherited)
        self.stopped = False

    def start(self) -> None:
        """Wait for the first artifact. Raises ``ArtifactNotAvailable``."""
        self._current_artifact(self._settings.maximum_wait_ready)

    def stop(self) -> None:
        """Stop polling."""
        self.stopped = True
        runtime = self._processes.current()
        if runtime is not None:
            self._stop_if_stopped(runtime)

    def is_ready(self) -> bool:
        """Return whether there is an artifact."""
        return self._processes.get().current_artifact() is not None

    def document(self) -> Optional[Mapping[str, Any]]:
        """Return the artifact as downloaded, or None."""
        current = self._processes.get().current_artifact()
        return None if current is None else current.artifact.document()

    def remote_parts_of(self, request: DeliveryRequest) -> Dict[str, Any]:
        """Return which parts of ``request`` only the edge can decide."""
        remote = remote_parts(self._current_artifact(self._settings.timeout).artifact, convert_request(request))
        return {"remote_needed": bool(remote), "remote_mboxes": [*remote.mboxes], "remote_views": [*remote.views]}

    def decide(self, delivery_request: TargetDeliveryRequest) -> DecisionProviderResponse:
        """Decide ``delivery_request``."""
        began, settings = monotonic(), self._settings
        deadline = Deadline.after(settings.timeout)
        options = {name: getattr(delivery_request, name, None) for name in Call._fields}
        artifact = self._current_artifact(deadline.remaining())
        prepared = prepare_request(call_options(options, settings, self._log), settings, None, self._log)
        enabled = self._config.telemetry_enabled
        sends_telemetry = enabled is None or enabled  # None stands for the default, as in 1.1.0
        if sends_telemetry:  # with telemetry, notifications are sent even if no offer was displayed
            prepared = prepared.with_request(copy_with(prepared.request, telemetry=_telemetry(prepared.request)))
        context = self._processes.get().on_device_context
        decision = decide_on_device(prepared, artifact, context, deadline)
        if decision.geo is not None:
            updated: GeoLocationUpdated = {"geo_context": decision.geo}
            self._events.emit(GEO_LOCATION_UPDATED, updated)
        if decision.displays is not None:
            pending = copy_with_displays(notification_request(decision.prepared), decision.displays)
            if sends_telemetry:
                _add_entry(pending.request, prepared.request.request_id, began)
            self._submit_notifications(pending, options["visitor"])
        return _response(decision)

    def _current_artifact(self, seconds: float) -> CurrentArtifact:
        """Return the newest artifact. Waits for the first one, unless an earlier wait has timed out."""
        runtime = self._processes.get()
        current = runtime.current_artifact() or runtime.first_artifact(seconds)
        if current is None:
            raise not_available() from runtime.last_download_error()
        return current

    def _submit_notifications(self, prepared: PreparedRequest, visitor: Optional[Visitor]) -> None:
        """Let a worker thread pass notifications to the application."""
        function = self._config.send_notification_func
        if function is None:
            return
        payload = {"request": prepared.request, "visitor": visitor, "session_id": prepared.session_id}
        call = partial(self._call_send_notification_func, function, payload)
        self._processes.get().workers.submit(CallbackTask(call, None, self._log_dropped, self._log))

    def _call_send_notification_func(self, function: Callable[[Any], object], payload: Dict[str, Any]) -> None:
        try:
            function(payload)
        except Exception:  # noqa: BLE001 - an application's callback may raise anything
            self._log.exception("send_notification_func raised")

    def _log_dropped(self, error: Exception) -> None:
        self._log.error("Notifications were not passed to send_notification_func (%s)", type(error).__name__)

    def _stop_if_stopped(self, runtime: Runtime) -> None:
        """Stop polling if the engine was stopped, whether in this process or before a fork."""
        if self.stopped and runtime.artifacts is not None:
            runtime.artifacts.stop()


class _Events(EventProvider):
    """Passes events to the application's ``event_emitter``."""

    def __init__(self, config: DecisioningConfig, log: Log) -> None:
        super().__init__(log=log)
        self._config = config

    def has_subscriber(self, event_name: str) -> bool:
        return self._config.event_emitter is not ignore_event

    def needs_payload(self, event_name: str) -> bool:
        return self.has_subscriber(event_name)

    def emit(self, event_name: str, payload: Optional[Mapping[str, Any]] = None) -> None:
        try:
            self._config.event_emitter(event_name, payload)
        except Exception:  # noqa: BLE001 - an application's callback may raise anything
            self._log.exception("event_emitter raised for the event %s", event_name)


def _settings(config: DecisioningConfig, log: Log) -> ClientSettings:
    """Return ``config`` as the settings of an on-device client."""
    options = {name: getattr(config, name, None) for name in ClientSettings._fields}
    options["telemetry_enabled"] = False  # the engine reads it from the configuration for each decision
    max_wait = config.maximum_wait_ready
    if isinstance(max_wait, (int, float)) and max_wait < 0:  # such as 1.1.0's DEFAULT_MAXIMUM_WAIT_READY (-1)
        max_wait = None
    options["decisioning_method"] = DecisioningMethod.ON_DEVICE
    options["polling_interval"] = _milliseconds("polling_interval", config.polling_interval)
    options["maximum_wait_ready"] = _milliseconds("maximum_wait_ready", max_wait)
    return client_settings(options, log)


def _milliseconds(option: str, seconds: Optional[float]) -> Optional[float]:
    """Convert seconds to milliseconds, at most a week."""
    if seconds is None:
        return None
    parsed: float = number("seconds", 0, float("inf"))(option, seconds)
    return min(parsed * 1000, MAX_MILLISECONDS)


def _telemetry(request: DeliveryRequest) -> Telemetry:
    return request.telemetry or Telemetry()


def _add_entry(request: DeliveryRequest, request_id: Optional[str], began: float) -> None:
    """Add the duration of the decision to the telemetry of ``request``."""
    entry = TelemetryEntry(
        request_id=request_id,
        timestamp=epoch_milliseconds(),
        execution=round((monotonic() - began) * 1000, 2),
        features=TelemetryFeatures(decisioning_method=DecisioningMethod.ON_DEVICE),
    )
    request.telemetry = Telemetry(entries=[*(_telemetry(request).entries or ()), entry])


def _response(decision: Decision) -> DecisionProviderResponse:
    response = DecisionProviderResponse([*decision.remote.mboxes], [*decision.remote.views])
    vars(response).update(vars(decision.response))
    return response
