"""How an engine is set up."""

from typing import Any, Callable, Mapping, Optional


def ignore_event(event_name: str, payload: Optional[Mapping[str, Any]]) -> None:
    """Hears of events where nobody else wants to."""


class DecisioningConfig:
    """The options of a ``TargetDecisioningEngine``.  Times are seconds here, as they were in 1.1.0.

    ``telemetry_enabled``, ``send_notification_func`` and ``event_emitter`` may be changed at any
    time; what else is changed counts from the next ``initialize`` after ``stop_polling``.
    """

    def __init__(  # noqa: PLR0917 - as many as 1.1.0 took, in its order
        self,
        client: str,
        organization_id: str,
        polling_interval: Optional[float] = None,
        artifact_location: Optional[str] = None,
        artifact_payload: Optional[Mapping[str, Any]] = None,
        environment: Optional[str] = None,
        cdn_environment: Optional[str] = None,
        cdn_base_path: Optional[str] = None,
        send_notification_func: Optional[Callable[[Any], object]] = None,
        telemetry_enabled: bool = True,
        event_emitter: Optional[Callable[[str, Any], object]] = None,
        maximum_wait_ready: Optional[float] = None,
        property_token: Optional[str] = None,
        *,
        pool_manager: Any = None,
    ) -> None:
        self.client = client
        self.organization_id = organization_id
        #: Seconds between two looks for a new artifact, 300 if not given and at least; 0: one look only.
        self.polling_interval = polling_interval
        self.artifact_location = artifact_location
        self.artifact_payload = artifact_payload
        self.environment = environment
        #: Changes nothing: there is one CDN, and ``cdn_base_path`` names another.
        self.cdn_environment = cdn_environment
        self.cdn_base_path = cdn_base_path
        #: Called with ``{"request": …, "visitor": …, "session_id": …}`` when there is something to tell the edge.
        self.send_notification_func = send_notification_func
        self.telemetry_enabled = telemetry_enabled
        #: Called with the name of an event and its payload, in the thread where it happens.
        self.event_emitter: Callable[[str, Any], object] = event_emitter or ignore_event
        #: Seconds that ``initialize`` waits for the first artifact, 10 if not given or negative.
        self.maximum_wait_ready = maximum_wait_ready
        self.property_token = property_token
        #: Sends every request of the engine: the artifact's and those for locations.  Like ``urllib3.PoolManager``.
        self.pool_manager = pool_manager
