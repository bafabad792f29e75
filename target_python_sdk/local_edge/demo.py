"""Runs the documented examples against a local edge, and prints what happens."""

import asyncio
import sys
import threading
from typing import Any, Callable, Iterable, List, Sequence, Tuple, Union

from target_python_sdk import TargetClient
from target_python_sdk.local_edge.decisioning_demo import HEADER, VISITOR, compare_methods
from target_python_sdk.local_edge.edge import LocalEdge
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

#: A visitor in experience A, one in B, and one outside the shares of the recommendations.
VISITORS = ("visitor-2", "visitor-3", "visitor-5")
#: The longest wait for ``client_ready``, in seconds.
READY_TIMEOUT = 5

Print = Callable[[str], object]
MboxOrView = Union[MboxResponse, PrefetchMboxResponse, View]


def run_demo(show: Print = print) -> int:
    """Run every example and return the exit code."""
    try:
        with LocalEdge() as edge:
            _run(edge, show)
    except (TargetError, OSError) as error:
        sys.stderr.write(f"error: the demo failed: {str(error).strip()}\n")
        return 1
    return 0


def _run(edge: LocalEdge, show: Print) -> None:
    show(f"A Target edge on this machine: http://{edge.domain}")
    ready = threading.Event()
    options: Any = {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "server_domain": edge.domain,
        "secure": False,
        "events": {"client_ready": ready.set},
    }
    with TargetClient.create(options) as client:
        if not ready.wait(READY_TIMEOUT):
            raise TargetError(f"client_ready was not emitted within {READY_TIMEOUT} seconds")
        show("The client has emitted client_ready.")
        executed = _demo_execute(client)
        _show_experiences(show, "get_offers, three blocking calls: execute a1-serverside-ab", executed)
        show(f"   TCP connections: {edge.connections}")
        prefetched, callbacks = _demo_prefetch(client)
        title = "get_offers, three calls with a callback: prefetch product-recommendations and view checkout"
        _show_experiences(show, title, prefetched)
        show(f"   callbacks that ran: {callbacks}")
        _show_cookies(show, executed[0])
        _show_attributes(show, client)
        _show_notification(show, client, edge, prefetched[0])
        counts = client.stats()
    show(
        f"\nThe edge answered {len(edge.requests)} requests; calls: {counts['calls']}, failures: {counts['failures']}."
    )
    rows = [HEADER, *(result.as_row() for result in compare_methods(edge))]
    _show_table(show, f"{VISITOR} with each decisioning method", rows)


def _request(visitor: str, **parts: Any) -> DeliveryRequest:
    context = Context(channel=ChannelType.WEB)
    trace = Trace(authorization_token="a local edge accepts any")
    return DeliveryRequest(id=VisitorId(tnt_id=f"{visitor}.35_0"), context=context, trace=trace, **parts)


def _demo_execute(client: TargetClient) -> List[TargetDeliveryResponse]:
    """Make one blocking call after the other."""
    execute = ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab", index=1)])
    return [client.get_offers({"request": _request(visitor, execute=execute)}) for visitor in VISITORS]


def _demo_prefetch(client: TargetClient) -> Tuple[List[TargetDeliveryResponse], int]:
    """Make all calls at once, in worker threads. Also return the number of callbacks that ran."""
    prefetch = PrefetchRequest(
        mboxes=[MboxRequest(name="product-recommendations", index=1)], views=[ViewRequest(name="checkout")]
    )
    received: List[TargetDeliveryResponse] = []
    results = [
        client.get_offers({"request": _request(visitor, prefetch=prefetch), "callback": received.append})
        for visitor in VISITORS
    ]
    return [result.get() for result in results], len(received)


def _show_experiences(show: Print, title: str, envelopes: Sequence[TargetDeliveryResponse]) -> None:
    rows = [("visitor", "location", "experience", "reason")]
    for visitor, envelope in zip(VISITORS, envelopes):
        for location in _locations(envelope):
            rows += [(visitor, str(location.name), experience, reason) for experience, reason in _decisions(location)]
    _show_table(show, title, rows)


def _locations(envelope: TargetDeliveryResponse) -> List[MboxOrView]:
    """Return each mbox and view of an answer."""
    response = envelope.response
    locations: List[MboxOrView] = []
    if response is not None and response.execute is not None:
        locations += response.execute.mboxes or []
    if response is not None and response.prefetch is not None:
        locations += response.prefetch.mboxes or []
        locations += response.prefetch.views or []
    return locations


def _decisions(location: MboxOrView) -> List[Tuple[str, str]]:
    """Return the experiences at a location and their reasons. Without an experience, the trace has the reason."""
    shown = [option.response_tokens or {} for option in location.options or []]
    if shown:
        return [(tokens["experience.name"], tokens["experience.reason"]) for tokens in shown]
    return [("-", target["reason"]) for target in (location.trace or {}).get("evaluatedCampaignTargets", [])]


def _show_cookies(show: Print, envelope: TargetDeliveryResponse) -> None:
    cookies: List[Any] = [envelope["target_cookie"], envelope["target_location_hint_cookie"]]
    rows = [("cookie", "max age", "value")]
    rows += [(cookie["name"], f"{cookie['maxAge']} s", str(cookie["value"])) for cookie in cookies]
    _show_table(show, f"cookies to set for {VISITORS[0]}", rows)


def _show_attributes(show: Print, client: TargetClient) -> None:
    request = _request(VISITORS[0], execute=ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab", index=1)]))
    attributes = asyncio.run(client.get_attributes_async(["demo-engineering-flags"], {"request": request}))
    flags = attributes.as_object("demo-engineering-flags")
    rows = [(name, repr(attributes.get_value("demo-engineering-flags", name))) for name in flags]
    _show_table(show, "get_attributes_async, awaited: demo-engineering-flags", rows)


def _show_notification(show: Print, client: TargetClient, edge: LocalEdge, prefetched: TargetDeliveryResponse) -> None:
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
    for received in edge.notifications:
        rows.append((received["id"], received["type"], received["mbox"]["name"], str(received["timestamp"])))
    _show_table(show, "send_notifications: received by the edge", rows)


def _show_table(show: Print, title: str, rows: Iterable[Tuple[str, ...]]) -> None:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    show(f"\n{title}")
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        show("   " + "   ".join(cells).rstrip())
