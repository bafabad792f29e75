"""Requests the edge cluster of an on-device client in the background.

Device ids that this process creates contain the cluster that will store the visitor's profile. An on-device client
never calls the edge, so it would not learn a cluster. Therefore it makes one request per process, if the cluster is
not known yet. No call waits for the answer: closing the client, or the end of the process, aborts the request.
Without a hint in the device id, the edge still finds the profile.
"""

import weakref
from functools import partial
from typing import Optional, Protocol

from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.exchange import delivery_request
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.pipeline import CallResult, request_edge
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.types import DeliveryRequest
from target_tools.concurrency.abort import AbortScope
from target_tools.concurrency.poller import Poller
from target_tools.enums import DecisioningMethod
from target_tools.errors import TargetError
from target_tools.http.messages import Send
from target_tools.logger import Log


class LocationHintReceiver(Protocol):
    """Receives the cluster."""

    @property
    def location_hint(self) -> Optional[str]:
        """The cluster, if it is known."""
        ...

    def learn(self, answer: CallResult) -> None:
        """Store the cluster that ``answer`` names."""
        ...


def request_location_hint(settings: ClientSettings, send: Send, receiver: LocationHintReceiver, log: Log) -> None:
    """Request the cluster in a background thread and pass the answer to ``receiver``."""
    scope = AbortScope()
    # A weak reference, so that a server that does not answer cannot keep an unused client alive.
    request = partial(_request_location_hint, settings, send, weakref.ref(receiver), log, scope)
    # If no thread can be started, the hint is not worth waiting for in this one.
    Poller(request, f"target-{settings.client}-hint", scope).start()


def _request_location_hint(
    settings: ClientSettings, send: Send, receiver: "weakref.ref[LocationHintReceiver]", log: Log, scope: AbortScope
) -> None:
    """Make the request. Returns None, so that the poller calls this once."""
    try:
        call = Call(DeliveryRequest(), settings.timeout, DecisioningMethod.SERVER_SIDE)
        prepared = prepare_request(call, settings, None, log)
        request = delivery_request(prepared, settings)
        answer = request_edge(prepared, request, send, scope.deadline(settings.timeout))
        existing = receiver()
        if existing is not None and existing.location_hint is None:
            existing.learn(answer)
    except TargetError as error:
        log.debug("Unable to retrieve location hint cookie. (%s)", type(error).__name__)
    except Exception:  # noqa: BLE001 - a custom pool manager may raise anything, and no call waits for the answer
        log.exception_safely("Unable to retrieve location hint cookie.")
