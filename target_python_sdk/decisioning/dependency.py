"""Whether everything that a request asks for can be decided here."""

from typing import AbstractSet, List, NamedTuple

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.parts import part
from target_python_sdk.types import DeliveryRequest, ViewRequest


class Remote(NamedTuple):
    """What only the edge can decide, by name."""

    mboxes: List[str]
    views: List[str]

    def __bool__(self) -> bool:
        return bool(self.mboxes or self.views)


NOTHING_REMOTE = Remote([], [])


def remote_parts(artifact: Artifact, request: DeliveryRequest) -> Remote:
    """What ``request`` asks for that ``artifact`` cannot decide, or does not know; a page load is its global mbox."""
    mboxes: List[str] = []
    views: List[str] = []
    for asked in (request.execute, request.prefetch):
        if asked is not None:
            if asked.page_load is not None:
                mboxes.append(artifact.global_mbox)
            if asked.mboxes:
                mboxes += [str(mbox.name) for mbox in asked.mboxes]
    if request.prefetch is not None and request.prefetch.views:
        for given in request.prefetch.views:
            view = part(given, ViewRequest) or ViewRequest()
            views += [str(view.name)] if view.name else artifact.remote_views
    remote_mboxes = _only(mboxes, artifact.remote_mboxes, artifact.local_mboxes) if mboxes else mboxes
    remote_views = _only(views, artifact.remote_views, artifact.local_views) if views else views
    return Remote(remote_mboxes, remote_views) if remote_mboxes or remote_views else NOTHING_REMOTE


def _only(names: List[str], remote: AbstractSet[str], local: AbstractSet[str]) -> List[str]:
    """Those that are remote, or not known to be local, each once."""
    found = [name for name in names if name in remote or name not in local]
    return list(dict.fromkeys(found)) if found else found
