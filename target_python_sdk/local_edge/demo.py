# ruff: noqa: T201 - a demo prints
"""Runs the documented examples against a local edge, and prints the results."""

import asyncio
import sys
import threading
import time
from statistics import median
from typing import Iterator, List, Sequence, Tuple

from target_python_sdk import ClientOptions, TargetClient
from target_python_sdk.local_edge.edge import LocalEdge
from target_python_sdk.types import DeliveryRequest, TargetDeliveryResponse
from target_tools.errors import TargetError
from target_tools.typing_compat import JsonObject

FLAGS, GREETING, PRODUCTS = "demo-engineering-flags", "a1-serverside-ab", "product-recommendations"
#: A visitor in experience A, one in B, and one outside the shares of the recommendations.
VISITORS = ("visitor-2", "visitor-3", "visitor-5")
#: The calls to compare: a method and an mbox. The rules of the last mbox, which is remote, are not in the artifact.
CASES = (("server-side", GREETING), ("on-device", GREETING), ("hybrid", GREETING), ("hybrid", "loyalty-offer"))
#: The number of calls for each case.
CALLS = 21
#: The maximum time to wait for ``client_ready``, in seconds.
READY_TIMEOUT = 5

Row = Tuple[str, ...]


def run_demo() -> int:
    """Run every example and return the exit code."""
    try:
        with LocalEdge() as edge:
            _run(edge)
    except BrokenPipeError:  # the standard output was closed
        raise
    except (TargetError, OSError) as error:
        sys.stderr.write(f"error: the demo failed: {str(error).strip()}\n")
        return 1
    return 0


def _run(edge: LocalEdge) -> None:
    print(f"A Target edge on this machine: http://{edge.domain}")
    ready = threading.Event()
    with TargetClient.create(_account(edge), events={"client_ready": ready.set}) as client:
        if not ready.wait(READY_TIMEOUT):
            raise TargetError(f"client_ready was not emitted within {READY_TIMEOUT} seconds")
        print("The client has emitted client_ready.")
        executed = [client.get_offers(request=_request(visitor, execute=_mbox(GREETING))) for visitor in VISITORS]
        _show_decisions(f"get_offers, three blocking calls: execute {GREETING}", executed)
        print(f"   TCP connections: {edge.connections}")
        prefetched, callbacks = _prefetch(client)
        _show_decisions(f"get_offers, three calls with a callback: prefetch {PRODUCTS} and view checkout", prefetched)
        print(f"   callbacks that ran: {callbacks}")
        cookies = [(cookie.name, f"{cookie.max_age} s", cookie.value) for cookie in executed[0].cookies()]
        _show_table(f"cookies to set for {VISITORS[0]}", [("cookie", "max age", "value"), *cookies])
        _show_attributes(client)
        _show_notifications(client, edge, prefetched[0])
        counts = client.stats()
    print(
        f"\nThe edge answered {len(edge.requests)} requests; calls: {counts['calls']}, failures: {counts['failures']}."
    )
    header = ("decisioning_method", "location", "experience", "decided", f"median of {CALLS} calls")
    rows = [(*case, f"{milliseconds:.3f} ms") for *case, milliseconds in compare_methods(edge)]
    _show_table(f"{VISITORS[1]} with each decisioning method", [header, *rows])


def _account(edge: LocalEdge) -> ClientOptions:
    """Return the options of a client that calls ``edge``, and downloads the rule artifact from it."""
    return {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "server_domain": edge.domain,
        "cdn_base_path": f"http://{edge.domain}",
        "secure": False,
    }


def _mbox(name: str) -> JsonObject:
    return {"mboxes": [{"name": name, "index": 1}]}


def _request(visitor: str, **parts: JsonObject) -> JsonObject:
    return {"id": {"tntId": f"{visitor}.35_0"}, "trace": {"authorizationToken": "a local edge accepts any"}, **parts}


def _prefetch(client: TargetClient) -> Tuple[List[TargetDeliveryResponse], int]:
    """Make all calls at once, in worker threads. Return the answers and the number of callbacks that ran."""
    prefetch = {**_mbox(PRODUCTS), "views": [{"name": "checkout"}]}
    received: List[TargetDeliveryResponse] = []
    results = [
        client.get_offers({"request": _request(visitor, prefetch=prefetch), "callback": received.append})
        for visitor in VISITORS
    ]
    return [result.get() for result in results], len(received)


def compare_methods(edge: LocalEdge) -> List[Tuple[str, str, str, str, float]]:
    """Make the calls of ``CASES`` for the same visitor, with one client.

    Return, for each case, the method, the mbox, the experience, where it was decided, and the median duration of a
    call in milliseconds.
    """
    with TargetClient.create(_account(edge), decisioning_method="on-device") as client:
        return [_measure(client, method, mbox) for method, mbox in CASES]


def _measure(client: TargetClient, method: str, mbox: str) -> Tuple[str, str, str, str, float]:
    # A prefetch sends no notification in the background. A notification would slow down the next call.
    request = {"id": {"tntId": f"{VISITORS[1]}.35_0"}, "prefetch": _mbox(mbox)}
    answer = client.get_offers(request=request, decisioning_method=method)  # not measured: it opens a connection
    durations: List[float] = []
    for _ in range(CALLS):
        started = time.perf_counter()
        client.get_offers(request=request, decisioning_method=method)
        durations.append(1000 * (time.perf_counter() - started))
    decided = {"server-side": "by the edge", "on-device": "on-device"}[answer.meta["decisioning_method"]]
    return method, mbox, str(answer.offer(mbox).experience), decided, median(durations)


def _show_decisions(title: str, answers: Sequence[TargetDeliveryResponse]) -> None:
    rows = [(visitor, *decision) for visitor, answer in zip(VISITORS, answers) for decision in _decisions(answer)]
    _show_table(title, [("visitor", "location", "experience", "reason"), *rows])


def _decisions(answer: TargetDeliveryResponse) -> Iterator[Row]:
    """Yield location, experience and reason of each decision. If there is no experience, the reason is in the trace."""
    response = answer.to_json()["response"]
    parts = [response.get(mode, {}) for mode in ("execute", "prefetch")]
    for location in [location for part in parts for key in ("mboxes", "views") for location in part.get(key, ())]:
        options = location.get("options")
        for tokens in [option["responseTokens"] for option in options or ()]:
            yield location["name"], tokens["experience.name"], tokens["experience.reason"]
        for target in location["trace"]["evaluatedCampaignTargets"] if not options else ():
            yield location["name"], "-", target["reason"]


def _show_attributes(client: TargetClient) -> None:
    request = _request(VISITORS[0], execute=_mbox(GREETING))
    attributes = asyncio.run(client.get_attributes_async([FLAGS], request=request))
    rows = [(name, repr(value)) for name, value in attributes.as_object(FLAGS).items()]
    _show_table(f"get_attributes_async, awaited: {FLAGS}", rows)


def _show_notifications(client: TargetClient, edge: LocalEdge, answer: TargetDeliveryResponse) -> None:
    offer = answer.offer(PRODUCTS)
    client.send_notifications(request=DeliveryRequest(notifications=[offer.display(), offer.click()]))
    received = [(sent["type"], sent["mbox"]["name"], str(sent["timestamp"])) for sent in edge.notifications]
    _show_table("send_notifications: received by the edge", [("type", "mbox", "at (ms since 1970)"), *received])


def _show_table(title: str, rows: Sequence[Row]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    print(f"\n{title}")
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        print("   " + "   ".join(cells).rstrip())
