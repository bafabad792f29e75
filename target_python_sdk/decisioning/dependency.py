"""Finds the parts of a request that only the edge can decide."""

from typing import AbstractSet, List, NamedTuple

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.types import DeliveryRequest


class RemoteParts(NamedTuple):
    """The mboxes and views that only the edge can decide, by name."""

    mboxes: List[str]
    views: List[str]

    def __bool__(self) -> bool:
        return bool(self.mboxes or self.views)


NO_REMOTE_PARTS = RemoteParts([], [])


def remote_parts(artifact: Artifact, request: DeliveryRequest) -> RemoteParts:
    """Return the mboxes and views of ``request`` that ``artifact`` cannot decide. A page load is its global mbox."""
    mboxes: List[str] = []
    views: List[str] = []
    for requested in (request.execute, request.prefetch):
        if requested is not None:
            if requested.page_load is not None:
                mboxes.append(artifact.global_mbox)
            if requested.mboxes:
                mboxes += [str(mbox.name) for mbox in requested.mboxes]
    if request.prefetch is not None and request.prefetch.views:
        for view in request.prefetch.views:
            views += [str(view.name)] if view.name else artifact.remote_views
    if artifact.decidable_mboxes.issuperset(mboxes) and artifact.decidable_views.issuperset(views):
        return NO_REMOTE_PARTS
    return RemoteParts(
        _not_decidable(mboxes, artifact.decidable_mboxes), _not_decidable(views, artifact.decidable_views)
    )


def _not_decidable(names: List[str], decidable: AbstractSet[str]) -> List[str]:
    """Return the names that are not in ``decidable``, each once."""
    return [name for name in dict.fromkeys(names) if name not in decidable]
