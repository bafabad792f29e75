"""A call for a visitor who has not consented: it sends nothing about the visitor."""

from typing import Optional, TypeVar

from target_python_sdk.artifact.update import CurrentArtifact
from target_python_sdk.decisioning.engine import RemoteParts
from target_python_sdk.delivery.on_device import Decision, OnDeviceContext
from target_python_sdk.forced_call import ForcedCall
from target_python_sdk.types import TargetDeliveryResponse
from target_tools.clock import Deadline
from target_tools.enums import DecisioningMethod

ResultT = TypeVar("ResultT")


class UnconsentedCall(ForcedCall[ResultT]):
    """A call that is decided on-device if there is an artifact, and otherwise answered without offers.

    Displays are not reported, and the location of an IP address is not looked up. ``meta["consent"]`` is False.
    """

    #: Whether this process can decide the call.
    _can_decide = True

    def _parts_for_the_edge(self, method: DecisioningMethod) -> Optional[RemoteParts]:
        if method is DecisioningMethod.SERVER_SIDE:
            self._can_decide = False
            return None
        super()._parts_for_the_edge(method)
        # Like calls with consent, only an on-device call waits for the first artifact. A hybrid call does not.
        self._can_decide = self._artifact is not None or method is DecisioningMethod.ON_DEVICE
        return None

    def _execute(self) -> ResultT:
        self._runtime.log.debug("%s without consent: nothing is sent", self._call.kind)
        if self._can_decide:
            return super()._execute()
        return self._convert(self._envelope_without_offers())

    def _envelope_without_offers(self) -> TargetDeliveryResponse:
        envelope = super()._envelope_without_offers()
        envelope.meta["consent"] = False
        return envelope

    def _decide_on_device(self, current: CurrentArtifact, deadline: Deadline) -> TargetDeliveryResponse:
        envelope = super()._decide_on_device(current, deadline)
        envelope.meta["consent"] = False
        return envelope

    def _decide(self, current: CurrentArtifact, deadline: Deadline) -> Decision:
        return super()._decide(current, deadline)._replace(displays=None)

    def _on_device_context(self) -> OnDeviceContext:
        return super()._on_device_context()._replace(send=None)
