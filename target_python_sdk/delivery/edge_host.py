"""Chooses the host of a delivery request, and remembers the edge cluster of a client.

A hint comes from a browser's cookie, so it is untrusted text on its way into a host name. It must be a short run of
letters, digits and inner hyphens; any other hint is ignored and counted, and never raises. A visitor's hint is used
for that call only. The client itself remembers only clusters that the edge has named.
"""

import re
from typing import Any, Callable, Optional, Tuple

from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.protocol import EDGE_CLUSTER_PREFIX, EDGE_HOST_SUFFIX
from target_tools.clock import monotonic
from target_tools.http.messages import DEFAULT_PORTS, Origin

_HINT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,18}[A-Za-z0-9])?")
#: Seconds for which a cluster that could not be reached is not remembered again.
QUARANTINE_SECONDS = 5.0


class ClusterMemory:
    """Remembers the cluster that the edge named last, until it cannot be reached.

    It learns only from answers to calls that no visitor steered: one visitor's cookie or hint must not choose the
    host of the others.
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
        """Forget the remembered cluster if it is at ``origin``, which could not be reached."""
        hint = self.hint
        if hint is not None and delivery_origin(self._settings, hint) == origin:
            self._lost, self._lost_until = hint, monotonic() + QUARANTINE_SECONDS
            self.hint = None


def choose_cluster(
    cookie_id: Optional[str], request_id: Optional[str], call_hint: Optional[str]
) -> Tuple[Optional[str], int]:
    """Return the cluster that holds the visitor's profile, and the number of invalid hints that were ignored.

    The device id in the cookie names it, else the device id in the request, else the hint of the call.
    """
    refused = 0
    own_id = None if request_id == cookie_id else request_id
    if cookie_id is not None or call_hint is not None or (isinstance(own_id, str) and "." in own_id):
        for hint in (cluster_of_id(cookie_id), cluster_of_id(own_id), call_hint):
            if not hint:
                continue
            valid = valid_hint(hint)
            if valid is not None:
                return valid, refused
            refused += 1
    return None, refused


def valid_hint(hint: Optional[str]) -> Optional[str]:
    """Return ``hint`` if it can be part of a host name."""
    return hint if hint and _HINT.fullmatch(hint) else None


def cluster_of_id(device_id: Any) -> Optional[str]:
    """Return the ``35`` of ``abc.35_0``."""
    if not isinstance(device_id, str) or "." not in device_id:
        return None
    suffix = device_id.partition(".")[2]
    if "." in suffix or suffix.count("_") != 1:
        return None
    return suffix.partition("_")[0] or None


def cluster_of_edge_host(edge_host: Any) -> Optional[str]:
    """Return the ``35`` of ``mboxedge35.tt.omtrdc.net``; None for a host of another form."""
    if not isinstance(edge_host, str):
        return None
    label, dot, suffix = edge_host.partition(".")
    if not label.startswith(EDGE_CLUSTER_PREFIX) or dot + suffix != "." + EDGE_HOST_SUFFIX:
        return None
    return valid_hint(label[len(EDGE_CLUSTER_PREFIX) :])


def delivery_origin(settings: ClientSettings, cluster: Optional[str]) -> Origin:
    """Return the origin of deliveries: the server domain if configured, else the cluster, else the client's host."""
    scheme = "https" if settings.secure else "http"
    if settings.server_domain is not None:
        host, port = settings.server_domain
        return Origin(scheme, host, port or DEFAULT_PORTS[scheme])
    label = settings.client if cluster is None else EDGE_CLUSTER_PREFIX + cluster
    return Origin(scheme, f"{label}.{EDGE_HOST_SUFFIX}", DEFAULT_PORTS[scheme])
