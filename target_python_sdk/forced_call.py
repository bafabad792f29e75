"""A call with the option ``force``: it is decided on-device, and each forced activity shows the given experience."""

from typing import Optional, Sequence, TypeVar

from target_python_sdk.artifact.update import CurrentArtifact
from target_python_sdk.decisioning.engine import RemoteParts
from target_python_sdk.decisioning.forced import ForcedExperience, find_experiences, names_of, with_forced
from target_python_sdk.delivery.on_device import Decision
from target_python_sdk.prepared_call import PreparedCall
from target_python_sdk.types import TargetDeliveryResponse
from target_tools.clock import Deadline
from target_tools.enums import DecisioningMethod

ResultT = TypeVar("ResultT")


class ForcedCall(PreparedCall[ResultT]):
    """A call with forced experiences. The ``meta`` of its envelope names them."""

    #: The experiences to show; empty until an artifact is available.
    _forced: Sequence[ForcedExperience] = ()

    def _parts_for_the_edge(self, method: DecisioningMethod) -> Optional[RemoteParts]:
        self._artifact = self._runtime.current_artifact()
        if self._artifact is not None:  # look up the names here, so that an error is raised before the call is queued
            self._forced = find_experiences(self._artifact.artifact, self._call.force or {})
        return None

    def _decide_on_device(self, current: CurrentArtifact, deadline: Deadline) -> TargetDeliveryResponse:
        envelope = super()._decide_on_device(current, deadline)
        if self._forced:
            envelope.meta["forced"] = names_of(self._forced)
        return envelope

    def _decide(self, current: CurrentArtifact, deadline: Deadline) -> Decision:
        self._forced = self._forced or find_experiences(current.artifact, self._call.force or {})
        forced = with_forced(current.artifact, self._forced)
        decision = super()._decide(current._replace(artifact=forced.artifact), deadline)
        if self._call.force_impressions or decision.displays is None:
            return decision
        request, displays = self._prepared.request, forced.without_forced(decision.displays)
        is_reported = displays or request.notifications or request.telemetry is not None
        return decision._replace(displays=displays if is_reported else None)
