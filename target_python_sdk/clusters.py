"""The edge cluster that a client asks when a visitor brings no hint of their own."""

from typing import Callable, Optional

from target_python_sdk.delivery.edge import delivery_origin
from target_python_sdk.delivery.options import ClientSettings
from target_tools.clock import monotonic
from target_tools.http.messages import Origin

#: Seconds for which a cluster that could not be reached is not remembered again.
QUARANTINE_SECONDS = 5.0


class ClusterMemory:
    """Remembers the cluster that the edge named last, until it cannot be reached.

    Only answers to calls that no visitor steered are learned from: one visitor's cookie or hint must not
    choose the host of the others.
    """

    def __init__(
        self,
        settings: ClientSettings,
        hint: Optional[str],
        circuit_is_open: Optional[Callable[[Origin], bool]] = None,
    ) -> None:
        self.hint = hint
        self._settings = settings
        self._circuit_is_open = circuit_is_open
        self._lost: Optional[str] = None
        self._lost_until = 0.0

    def learn(self, cluster: Optional[str]) -> None:
        """Remember ``cluster``, unless it was lost a moment ago or its circuit is open."""
        if cluster is None or cluster == self.hint:
            return
        is_lost = cluster == self._lost and monotonic() < self._lost_until
        is_open = self._circuit_is_open
        if not is_lost and not (is_open is not None and is_open(delivery_origin(self._settings, cluster))):
            self.hint = cluster

    def lose(self, origin: Origin) -> None:
        """Forget the cluster at ``origin``, which could not be reached, if it is the one that is remembered."""
        hint = self.hint
        if hint is not None and delivery_origin(self._settings, hint) == origin:
            self._lost, self._lost_until = hint, monotonic() + QUARANTINE_SECONDS
            self.hint = None
