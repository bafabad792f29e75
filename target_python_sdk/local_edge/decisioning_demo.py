"""Compares the decisioning methods: the experience of one visitor, where it was decided, and the duration."""

import time
from statistics import median
from typing import Any, List, NamedTuple, Tuple

from target_python_sdk import TargetClient
from target_python_sdk.local_edge.edge import LocalEdge
from target_python_sdk.types import DeliveryRequest, MboxRequest, PrefetchRequest, TargetDeliveryResponse, VisitorId

VISITOR = "visitor-3"
LOCAL, REMOTE = "a1-serverside-ab", "loyalty-offer"
#: Method and mbox. The rules of the remote mbox are not in the artifact.
CASES = (("server-side", LOCAL), ("on-device", LOCAL), ("hybrid", LOCAL), ("hybrid", REMOTE))
#: The number of calls for each case.
CALLS = 21
HEADER = ("decisioning_method", "location", "experience", "decided", f"median of {CALLS} calls")


class MethodResult(NamedTuple):
    """The result of one method for one mbox; ``milliseconds`` is the median of several calls."""

    method: str
    location: str
    experience: str
    decided: str
    milliseconds: float

    def as_row(self) -> Tuple[str, ...]:
        """Return the fields as text."""
        return (self.method, self.location, self.experience, self.decided, f"{self.milliseconds:.3f} ms")


def compare_methods(edge: LocalEdge) -> List[MethodResult]:
    """Decide for the same visitor with each method. One client that has the artifact can use all of them."""
    options: Any = {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "decisioning_method": "on-device",
        "server_domain": edge.domain,
        "cdn_base_path": f"http://{edge.domain}",
        "secure": False,
    }
    with TargetClient.create(options) as client:
        return [_measure(client, method, location) for method, location in CASES]


def _measure(client: TargetClient, method: str, location: str) -> MethodResult:
    # A prefetch sends no notification in the background, which would slow down the next call.
    request = DeliveryRequest(
        id=VisitorId(tnt_id=f"{VISITOR}.35_0"), prefetch=PrefetchRequest(mboxes=[MboxRequest(name=location)])
    )
    call: Any = {"request": request, "decisioning_method": method}
    durations: List[float] = []
    envelopes: List[TargetDeliveryResponse] = []
    for _ in range(CALLS):
        started = time.perf_counter()
        envelopes.append(client.get_offers(call))
        durations.append(1000 * (time.perf_counter() - started))
    return MethodResult(method, location, *_experience_and_decider(envelopes[-1]), milliseconds=median(durations))


def _experience_and_decider(envelope: TargetDeliveryResponse) -> Tuple[str, str]:
    answer: Any = envelope
    (mbox,) = answer.response.prefetch.mboxes
    (option,) = mbox.options
    decider = {"server-side": "by the edge", "on-device": "on-device"}[answer.meta["decisioning_method"]]
    return option.response_tokens["experience.name"], decider
