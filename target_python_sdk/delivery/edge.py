"""Which host a delivery goes to.

A hint comes out of a browser's cookie, so it is somebody else's text on its way into a
host name.  It has to be a short run of letters, digits and inner hyphens; anything else
is as good as no hint, is counted, and never raises.  A visitor's hint serves that one
call.  What the client remembers, only the edge itself can have said.
"""

import re
from typing import Any, NamedTuple, Optional

from target_python_sdk.delivery.options import ClientSettings, visitor_text
from target_tools.constants import EDGE_CLUSTER_PREFIX, EDGE_HOST_SUFFIX
from target_tools.flow import Origin

_HINT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,18}[A-Za-z0-9])?", re.ASCII)
_CLUSTER_IN_ID = re.compile(r"[^.]*\.([^._]+)_[^._]*", re.ASCII)
_EDGE_HOST = re.compile(
    "{}({})\\.{}".format(EDGE_CLUSTER_PREFIX, _HINT.pattern, re.escape(EDGE_HOST_SUFFIX)), re.ASCII
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Cluster(NamedTuple):
    """The edge cluster of a call, and how many hints on the way to it were no hints."""

    hint: Optional[str]
    refused: int


def choose_cluster(cookie_id: Optional[str], request_id: Any, call_hint: Any, client_hint: Optional[str]) -> Cluster:
    """The cluster that holds the visitor's profile.

    It stands behind the device id in the cookie, else behind the one in the request,
    else in the call's hint; else the client goes where it was sent last.
    """
    refused = 0
    own_id = None if request_id == cookie_id else request_id  # the cookie's is not looked at twice
    for hint in (cluster_of_id(cookie_id), cluster_of_id(own_id), call_hint, client_hint):
        if hint in (None, "", b""):
            continue
        good = valid_hint(hint)
        if good is not None:
            return Cluster(good, refused)
        refused += 1
    return Cluster(None, refused)


def valid_hint(hint: Any) -> Optional[str]:
    """``hint`` if it can be part of a host name."""
    text = visitor_text(hint)
    return text if text is not None and _HINT.fullmatch(text) else None


def cluster_of_id(device_id: Any) -> Optional[str]:
    """The ``35`` of ``abc.35_0``."""
    if not isinstance(device_id, str):
        return None
    found = _CLUSTER_IN_ID.fullmatch(device_id)
    return found.group(1) if found else None


def cluster_of_edge_host(edge_host: Any) -> Optional[str]:
    """The ``35`` of ``mboxedge35.tt.omtrdc.net``; None for any host that is not exactly an edge's."""
    found = _EDGE_HOST.fullmatch(edge_host) if isinstance(edge_host, str) else None
    return found.group(1) if found else None


def delivery_origin(settings: ClientSettings, cluster: Optional[str]) -> Origin:
    """Where a delivery goes: the user's own domain if there is one, else the cluster, else the client's host."""
    scheme = "https" if settings.secure else "http"
    if settings.server_domain is not None:
        host, port = settings.server_domain
        return Origin(scheme, host, port or _DEFAULT_PORTS[scheme])
    label = settings.client if cluster is None else EDGE_CLUSTER_PREFIX + cluster
    return Origin(scheme, "{}.{}".format(label, EDGE_HOST_SUFFIX), _DEFAULT_PORTS[scheme])
