"""The status of a provider of OpenFeature, and the events about its changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, List, NamedTuple, Optional, Set

from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode

from target_python_sdk.delivery.exchange import delivery_origin
from target_python_sdk.events import (
    ARTIFACT_DOWNLOAD_FAILED,
    ARTIFACT_DOWNLOAD_SUCCEEDED,
    CIRCUIT_CLOSED,
    CIRCUIT_OPENED,
)
from target_tools.enums import DecisioningMethod

if TYPE_CHECKING:
    from target_python_sdk.client import TargetClient
    from target_tools.event_provider import Event

Emit = Callable[[ProviderEvent, ProviderEventDetails], None]


class Status(NamedTuple):
    """The status of a client: the event that reports it, and the reason."""

    event: ProviderEvent
    message: str = ""


READY = Status(ProviderEvent.PROVIDER_READY)
NO_ARTIFACT = Status(ProviderEvent.PROVIDER_ERROR, "the rule artifact is not available yet")
CIRCUIT_IS_OPEN = Status(ProviderEvent.PROVIDER_ERROR, "the edge is not available; its circuit is open")
ARTIFACT_ALONE = Status(ProviderEvent.PROVIDER_STALE, "the edge is not available; the rule artifact alone decides")
OLD_ARTIFACT = Status(ProviderEvent.PROVIDER_STALE, "the rule artifact could not be updated; a saved one is in use")


class ProviderEvents:
    """Emits an event of OpenFeature when the status of a client changes, and when it gets another rule artifact."""

    def __init__(self, client: TargetClient, emit: Emit) -> None:
        self._client = client
        self._emit = emit
        self._edge = str(delivery_origin(client._settings, None))
        self._open_circuits: Set[str] = set()
        #: The status that was emitted last. OpenFeature itself emits the first one, after the initialization.
        self._emitted: Optional[Status] = READY
        self._start_failed = False
        #: The number of downloaded artifacts; None if there is no artifact.
        self._downloads: Optional[int] = None
        self._subscriptions: List[str] = []

    def start(self) -> str:
        """Wait for the first artifact if the client decides on-device. Return the problem, or an empty string."""
        client = self._client
        for name, subscriber in (
            (ARTIFACT_DOWNLOAD_SUCCEEDED, self._change_artifact),  # takes no event, so the artifact is not copied
            (ARTIFACT_DOWNLOAD_FAILED, self.update),
            (CIRCUIT_OPENED, self._open_circuit),
            (CIRCUIT_CLOSED, self._close_circuit),
        ):
            self._subscriptions.append(client._events.subscribe(name, subscriber))
        client._start()
        client._wait_for_artifact()
        self._downloads = self._count_downloads()
        status = self._status()
        if status.event is not ProviderEvent.PROVIDER_ERROR:
            return ""
        self._emitted, self._start_failed = status, True
        return status.message

    def stop(self) -> None:
        """Emit no more events."""
        for subscription in self._subscriptions:
            self._client._events.unsubscribe(subscription)

    def confirm(self) -> None:
        """Emit the status after an evaluation if it has changed without an event of the client."""
        if self._start_failed:
            # OpenFeature may have emitted the failure of ``start`` after an artifact arrived: emit the status again.
            self._start_failed, self._emitted = False, None
        self.update()

    def update(self) -> None:
        """Emit the status if it has changed."""
        status = self._status()
        while status != self._emitted:
            self._emitted = status
            code = ErrorCode.GENERAL if status.event is ProviderEvent.PROVIDER_ERROR else None
            self._emit(status.event, ProviderEventDetails(message=status.message or None, error_code=code))
            status = self._status()  # another thread may have emitted an older one

    def _change_artifact(self) -> None:
        self.update()
        previous, self._downloads = self._downloads, self._count_downloads()
        if previous not in (None, self._downloads):
            details = ProviderEventDetails(message="another rule artifact is in use")
            self._emit(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, details)

    def _count_downloads(self) -> Optional[int]:
        source = self._client._processes.get().artifacts
        return None if source is None or source.artifact is None else source.retrievals

    def _open_circuit(self, event: Event) -> None:
        self._open_circuits.add(event["origin"])
        self.update()

    def _close_circuit(self, event: Event) -> None:
        self._open_circuits.discard(event["origin"])
        self.update()

    def _status(self) -> Status:
        source, is_on_device = self._client._processes.get().artifacts, self._is_on_device()
        has_artifact = source is not None and source.artifact is not None
        if is_on_device and not has_artifact:
            return NO_ARTIFACT
        if not is_on_device and self._edge in self._open_circuits:
            return ARTIFACT_ALONE if has_artifact else CIRCUIT_IS_OPEN
        is_old = source is not None and has_artifact and (source.stale or source.last_error is not None)
        return OLD_ARTIFACT if is_old else READY

    def _is_on_device(self) -> bool:
        return self._client._settings.decisioning_method is DecisioningMethod.ON_DEVICE
