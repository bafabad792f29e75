"""The documented examples against a local edge, and what a person wants to see of them."""

import asyncio
import sys
import threading
from typing import Any, Callable, Iterable, List, Sequence, Tuple, Union

from target_python_sdk import TargetClient
from target_python_sdk.local_edge.edge import LocalEdge
from target_python_sdk.local_edge.ways import HEADER, VISITOR, decided_in_each_way
from target_python_sdk.types import (
    ChannelType,
    Context,
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    MboxResponse,
    MetricType,
    Notification,
    NotificationMbox,
    PrefetchMboxResponse,
    PrefetchRequest,
    TargetDeliveryResponse,
    Trace,
    View,
    ViewRequest,
    VisitorId,
)
from target_tools.clock import epoch_milliseconds
from target_tools.errors import TargetError

#: One visitor for each case: A, B, and one outside the shares of the recommendations.
VISITORS = ("visitor-2", "visitor-3", "visitor-5")
#: How long ``client_ready`` may take, in seconds.
READY_WITHIN = 5

Say = Callable[[str], object]
Place = Union[MboxResponse, PrefetchMboxResponse, View]


def demonstrate(say: Say = print) -> int:
    """Run every example; the result is the exit code."""
    try:
        with LocalEdge() as edge:
            _run(edge, say)
    except (TargetError, OSError) as error:
        sys.stderr.write("error: the demonstration failed: {}\n".format(str(error).strip()))
        return 1
    return 0


def _run(edge: LocalEdge, say: Say) -> None:
    say("A Target edge on this machine: http://{}".format(edge.domain))
    ready = threading.Event()
    options: Any = {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "server_domain": edge.domain,
        "secure": False,
        "events": {"client_ready": ready.set},
    }
    with TargetClient.create(options) as client:
        if not ready.wait(READY_WITHIN):
            raise TargetError("client_ready did not come within {} seconds".format(READY_WITHIN))
        say("client_ready has come.")
        executed = _executed(client)
        _show_experiences(say, "get_offers, three calls that wait: execute a1-serverside-ab", executed)
        say("   TCP connections: {}".format(edge.connections))
        prefetched, callbacks = _prefetched(client)
        title = "get_offers, three calls with a callback: prefetch product-recommendations and view checkout"
        _show_experiences(say, title, prefetched)
        say("   callbacks that ran: {}".format(callbacks))
        _show_cookies(say, executed[0])
        _show_attributes(say, client)
        _show_notification(say, client, edge, prefetched[0])
        counts = client.stats()
    say("\nThe edge answered {} requests; calls: {calls}, failures: {failures}.".format(len(edge.requests), **counts))
    title = "{} decided in each of the three ways".format(VISITOR)
    _show_table(say, title, [HEADER, *(way.row() for way in decided_in_each_way(edge))])


def _request(visitor: str, **parts: Any) -> DeliveryRequest:
    context = Context(channel=ChannelType.WEB)
    trace = Trace(authorization_token="any does, here")
    return DeliveryRequest(id=VisitorId(tnt_id=visitor + ".35_0"), context=context, trace=trace, **parts)


def _executed(client: TargetClient) -> List[TargetDeliveryResponse]:
    """One call after the other; each waits for its answer."""
    execute = ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab", index=1)])
    return [client.get_offers({"request": _request(visitor, execute=execute)}) for visitor in VISITORS]


def _prefetched(client: TargetClient) -> Tuple[List[TargetDeliveryResponse], int]:
    """All calls at once, each answered by a worker thread; and how many callbacks were told."""
    prefetch = PrefetchRequest(
        mboxes=[MboxRequest(name="product-recommendations", index=1)], views=[ViewRequest(name="checkout")]
    )
    told: List[TargetDeliveryResponse] = []
    results = [
        client.get_offers({"request": _request(visitor, prefetch=prefetch), "callback": told.append})
        for visitor in VISITORS
    ]
    return [result.get() for result in results], len(told)


def _show_experiences(say: Say, title: str, envelopes: Sequence[TargetDeliveryResponse]) -> None:
    rows = [("visitor", "location", "experience", "because")]
    for visitor, envelope in zip(VISITORS, envelopes):
        for place in _places(envelope):
            rows += [(visitor, str(place.name), experience, reason) for experience, reason in _decisions(place)]
    _show_table(say, title, rows)


def _places(envelope: TargetDeliveryResponse) -> List[Place]:
    """Each mbox and view of an answer."""
    response = envelope.response
    found: List[Place] = []
    if response is not None and response.execute is not None:
        found += response.execute.mboxes or []
    if response is not None and response.prefetch is not None:
        found += response.prefetch.mboxes or []
        found += response.prefetch.views or []
    return found


def _decisions(place: Place) -> List[Tuple[str, str]]:
    """The experiences shown at a place, each with its reason; the trace knows why there is none."""
    shown = [option.response_tokens or {} for option in place.options or []]
    if shown:
        return [(tokens["experience.name"], tokens["experience.reason"]) for tokens in shown]
    return [("-", target["reason"]) for target in (place.trace or {}).get("evaluatedCampaignTargets", [])]


def _show_cookies(say: Say, envelope: TargetDeliveryResponse) -> None:
    cookies: List[Any] = [envelope["target_cookie"], envelope["target_location_hint_cookie"]]
    rows = [("cookie", "max age", "value")]
    rows += [(cookie["name"], "{} s".format(cookie["maxAge"]), str(cookie["value"])) for cookie in cookies]
    _show_table(say, "cookies to set for " + VISITORS[0], rows)


def _show_attributes(say: Say, client: TargetClient) -> None:
    request = _request(VISITORS[0], execute=ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab", index=1)]))
    attributes = asyncio.run(client.get_attributes_async(["demo-engineering-flags"], {"request": request}))
    flags = attributes.as_object("demo-engineering-flags")
    rows = [(name, repr(attributes.get_value("demo-engineering-flags", name))) for name in flags]
    _show_table(say, "get_attributes_async, awaited: demo-engineering-flags", rows)


def _show_notification(say: Say, client: TargetClient, edge: LocalEdge, prefetched: TargetDeliveryResponse) -> None:
    response: Any = prefetched["response"]
    (mbox,) = response.prefetch.mboxes
    notification = Notification(
        id="demo-notification",
        type=MetricType.DISPLAY,
        timestamp=epoch_milliseconds(),
        mbox=NotificationMbox(name=mbox.name, state=mbox.state),
        tokens=[option.event_token for option in mbox.options],
    )
    client.send_notifications({"request": _request(VISITORS[0], notifications=[notification])})
    rows = [("id", "type", "mbox", "at (ms since 1970)")]
    for seen in edge.notifications:
        rows.append((seen["id"], seen["type"], seen["mbox"]["name"], str(seen["timestamp"])))
    _show_table(say, "send_notifications: what the edge recorded", rows)


def _show_table(say: Say, title: str, rows: Iterable[Tuple[str, ...]]) -> None:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    say("\n" + title)
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        say("   " + "   ".join(cells).rstrip())
