"""One visitor decided in each of the three ways: who decided what, and how long it took."""

import time
from statistics import median
from typing import Any, List, NamedTuple, Tuple

from target_python_sdk import TargetClient
from target_python_sdk.local_edge.edge import LocalEdge
from target_python_sdk.types import DeliveryRequest, MboxRequest, PrefetchRequest, TargetDeliveryResponse, VisitorId

VISITOR = "visitor-3"
LOCAL, REMOTE = "a1-serverside-ab", "loyalty-offer"
#: What is asked, by method and mbox; the artifact leaves the remote mbox to the edge.
ASKED = (("server-side", LOCAL), ("on-device", LOCAL), ("hybrid", LOCAL), ("hybrid", REMOTE))
#: How often each is asked.
CALLS = 21
HEADER = ("decisioning_method", "location", "experience", "decided", "median of {} calls".format(CALLS))


class Way(NamedTuple):
    """What came of one method at one mbox; ``milliseconds`` is the median of some calls."""

    method: str
    location: str
    experience: str
    decided: str
    milliseconds: float

    def row(self) -> Tuple[str, ...]:
        """The same as texts, for a table."""
        return (self.method, self.location, self.experience, self.decided, "{:.3f} ms".format(self.milliseconds))


def decided_in_each_way(edge: LocalEdge) -> List[Way]:
    """The same visitor by the edge, on-device and hybrid; a client that has the artifact can do all of them."""
    options: Any = {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "decisioning_method": "on-device",
        "server_domain": edge.domain,
        "cdn_base_path": "http://{}".format(edge.domain),
        "secure": False,
    }
    with TargetClient.create(options) as client:
        return [_asked(client, method, location) for method, location in ASKED]


def _asked(client: TargetClient, method: str, location: str) -> Way:
    # Prefetched, so that no display is reported in the background while the next call is timed.
    request = DeliveryRequest(
        id=VisitorId(tnt_id=VISITOR + ".35_0"), prefetch=PrefetchRequest(mboxes=[MboxRequest(name=location)])
    )
    call: Any = {"request": request, "decisioning_method": method}
    timed = [_timed(client, call) for _ in range(CALLS)]
    return Way(method, location, *_told(timed[-1][0]), milliseconds=median(took for _, took in timed))


def _timed(client: TargetClient, call: Any) -> Tuple[TargetDeliveryResponse, float]:
    """The answer, and the milliseconds it took."""
    started = time.perf_counter()
    envelope = client.get_offers(call)
    return envelope, 1000 * (time.perf_counter() - started)


def _told(envelope: TargetDeliveryResponse) -> Tuple[str, str]:
    """The experience, and where it was decided."""
    answer: Any = envelope
    (mbox,) = answer.response.prefetch.mboxes
    (option,) = mbox.options
    where = {"server-side": "by the edge", "on-device": "here"}[answer.meta["decisioning_method"]]
    return option.response_tokens["experience.name"], where
