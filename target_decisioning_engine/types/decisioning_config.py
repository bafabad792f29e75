"""The configuration of an engine."""

from typing import Any, Callable, Mapping, Optional


def ignore_event(event_name: str, payload: Optional[Mapping[str, Any]]) -> None:
    """The default ``event_emitter``: do nothing."""


class DecisioningConfig:
    """The options of a ``TargetDecisioningEngine``. Times are in seconds, as in 1.1.0.

    Changes of ``telemetry_enabled``, ``send_notification_func`` and ``event_emitter`` take effect at once. All other
    changes take effect with the next ``initialize`` after ``stop_polling``.
    """

    def __init__(  # noqa: PLR0917 - 1.1.0's order
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
        telemetry_enabled: Optional[bool] = True,
        event_emitter: Optional[Callable[[str, Any], object]] = None,
        maximum_wait_ready: Optional[float] = None,
        property_token: Optional[str] = None,
        *,
        pool_manager: Any = None,
    ) -> None:
        self.client = client
        self.organization_id = organization_id
        #: Seconds between downloads: by default 300, and at least 300 except on loopback. 0: download only once.
        self.polling_interval = polling_interval
        self.artifact_location = artifact_location
        self.artifact_payload = artifact_payload
        self.environment = environment
        #: No effect: there is one CDN, and ``cdn_base_path`` overrides it.
        self.cdn_environment = cdn_environment
        self.cdn_base_path = cdn_base_path
        #: Called with ``{"request": …, "visitor": …, "session_id": …}`` to send notifications or telemetry to the edge.
        self.send_notification_func = send_notification_func
        self.telemetry_enabled = telemetry_enabled
        #: Called with the name and the payload of an event, in the thread that emits it.
        self.event_emitter: Callable[[str, Any], object] = event_emitter or ignore_event
        #: Seconds that ``initialize`` waits for the first artifact; 10 by default and if negative.
        self.maximum_wait_ready = maximum_wait_ready
        self.property_token = property_token
        #: An object like a ``urllib3.PoolManager`` that sends the engine's artifact downloads and geo lookups.
        self.pool_manager = pool_manager
