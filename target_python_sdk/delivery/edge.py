"""Which host a delivery goes to.

A hint comes out of a browser's cookie, so it is somebody else's text on its way into a
host name.  It has to be a short run of letters, digits and inner hyphens; anything else
is as good as no hint, is counted, and never raises.  A visitor's hint serves that one
call.  What the client remembers, only the edge itself can have said.
"""

from typing import Any, Optional, Tuple

from target_python_sdk.delivery.option_parsers import is_label
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.protocol import EDGE_CLUSTER_PREFIX, EDGE_HOST_SUFFIX
from target_tools.http.messages import DEFAULT_PORTS, Origin

#: The longest hint, in characters.
_LONGEST_HINT = 20


def choose_cluster(
    cookie_id: Optional[str], request_id: Optional[str], call_hint: Optional[str]
) -> Tuple[Optional[str], int]:
    """Return the cluster that holds the visitor's profile, and the number of invalid hints that were ignored.

    The device id in the cookie names it, else the device id in the request, else the hint of the call.
    """
    refused = 0
    own_id = None if request_id == cookie_id else request_id  # the cookie's is not looked at twice
    if cookie_id is not None or call_hint is not None or (isinstance(own_id, str) and "." in own_id):
        for hint in (cluster_of_id(cookie_id), cluster_of_id(own_id), call_hint):
            if not hint:
                continue
            good = valid_hint(hint)
            if good is not None:
                return good, refused
            refused += 1
    return None, refused


def valid_hint(hint: Optional[str]) -> Optional[str]:
    """Return ``hint`` if it can be part of a host name."""
    return hint if hint and is_label(hint, _LONGEST_HINT) else None


def cluster_of_id(device_id: Any) -> Optional[str]:
    """The ``35`` of ``abc.35_0``."""
    if not isinstance(device_id, str) or "." not in device_id:
        return None
    suffix = device_id.partition(".")[2]
    if "." in suffix or suffix.count("_") != 1:
        return None
    return suffix.partition("_")[0] or None


def cluster_of_edge_host(edge_host: Any) -> Optional[str]:
    """The ``35`` of ``mboxedge35.tt.omtrdc.net``; None for any host that is not exactly an edge's."""
    if not isinstance(edge_host, str):
        return None
    label, dot, suffix = edge_host.partition(".")
    if not label.startswith(EDGE_CLUSTER_PREFIX) or dot + suffix != "." + EDGE_HOST_SUFFIX:
        return None
    return valid_hint(label[len(EDGE_CLUSTER_PREFIX) :])


def delivery_origin(settings: ClientSettings, cluster: Optional[str]) -> Origin:
    """Where a delivery goes: the user's own domain if there is one, else the cluster, else the client's host."""
    scheme = "https" if settings.secure else "http"
    if settings.server_domain is not None:
        host, port = settings.server_domain
        return Origin(scheme, host, port or DEFAULT_PORTS[scheme])
    label = settings.client if cluster is None else EDGE_CLUSTER_PREFIX + cluster
    return Origin(scheme, "{}.{}".format(label, EDGE_HOST_SUFFIX), DEFAULT_PORTS[scheme])
