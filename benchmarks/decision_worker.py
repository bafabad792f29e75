"""On-device decisions of one release, a process of its own under that release's interpreter.

``python -m benchmarks.decision_worker SETTINGS`` answers ``{"calls": N, "seed": S}`` with
``{"seconds": T, "delivered": D}``: how long N calls took that followed one another, each for
a visitor nobody has seen, and how long it took until their notifications were delivered too.
It answers ``{"visitors": [...]}`` with ``{"decisions": [...]}``, the contents each of them got, and
``{"requests": N}`` with ``{"seconds": T}``, what making N requests took without a call.
``node_worker.js`` answers the same for Node.js.
"""

import importlib
import json
import logging
import os
import platform
import random
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

from benchmarks.artifacts import CLIENT, EVERY, HINT, canonical, contents, visitors
from benchmarks.line_protocol import Message, answer_lines, protocol_output, send
from benchmarks.plan import OLD
from benchmarks.worker import sdk_of
from benchmarks.workload import ORGANIZATION

#: Seconds until notifications that are not delivered are an error.
_PATIENCE = 30.0


class NoNetwork:
    """What a client takes for a pool manager: every request is answered at once, and counted.

    It is its own answer, too: a response of urllib3 would cost more than the call that is measured.
    """

    status = 200
    reason = "OK"

    def __init__(self) -> None:
        self.delivered = 0
        self.headers = {"Content-Type": "application/json"}

    def request(self, _method: str, _url: str, **_more: Any) -> "NoNetwork":
        """200 and an empty JSON object."""
        self.delivered += 1
        return self

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """The body."""
        return iter((b"{}",))

    def release_conn(self) -> None:
        """Nothing was taken."""

    def close(self) -> None:
        """Nothing is open."""


def on_device_client(settings: Message, artifact: Message, **more: Any) -> Any:
    """A client that decides by ``artifact`` and never looks for another."""
    options: Dict[str, Any] = {
        "client": CLIENT,
        "organization_id": ORGANIZATION,
        "decisioning_method": "on-device",
        "artifact_payload": artifact,
        "polling_interval": 0,
        "telemetry_enabled": False,
        "target_location_hint": HINT,
    }
    options.update(more)
    return sdk_of(settings["kind"]).TargetClient.create(options)


class Release:
    """A client that notifies nobody, and how to learn that it has."""

    def __init__(self, settings: Message, artifact: Message) -> None:
        if settings["kind"] == OLD:
            #: 1.1.0 starts a thread for each call's notifications; that thread then does nothing else.
            delivered: List[None] = []
            sdk_of(OLD).TargetClient.send_notifications = lambda *_, **__: delivered.append(None)
            self.client = on_device_client(settings, artifact)
            self._count: Callable[[], int] = lambda: len(delivered)
            self._flush: Callable[[], object] = lambda: None
        else:
            network = NoNetwork()
            self.client = on_device_client(settings, artifact, pool_manager=network)
            self._count = lambda: network.delivered
            self._flush = lambda: self.client.flush(_PATIENCE)

    @property
    def delivered(self) -> int:
        """How many notifications have been delivered so far."""
        return self._count()

    def deliver(self, total: int) -> None:
        """Wait until as many as ``total`` have been delivered."""
        self._flush()
        deadline = time.monotonic() + _PATIENCE
        while self.delivered < total and time.monotonic() < deadline:
            time.sleep(0.0002)
        if self.delivered != total:
            raise RuntimeError("{} notifications were delivered instead of {}".format(self.delivered, total))


class Decider:
    """A client, what its visitors ask for, and what they may get."""

    def __init__(self, settings: Message) -> None:
        artifact = json.loads(Path(settings["artifact"]).read_text(encoding="utf-8"))
        self._legal = set(map(canonical, contents(artifact)))
        self._release = Release(settings, artifact)
        self._notifies = settings["visit"]["mode"] == "execute"
        self._ask = asking(settings["visit"], list(artifact["rules"]["mboxes"]))
        self._read = reading(settings["visit"])

    def answer(self, question: Message) -> Message:
        """What was asked for."""
        if "visitors" in question:
            return {"decisions": self.decisions(question["visitors"])}
        if "requests" in question:
            return {"seconds": self.asking(visitors("asking", question["requests"]))}
        return self.timed(visitors(question["seed"], question["calls"]))

    def timed(self, ids: List[str]) -> Message:
        """Decide for every visitor, as fast as the calls return; of an answer only the offers' contents are kept."""
        decide = self._decide
        before = self._release.delivered
        started = time.perf_counter()
        found = [decide(visitor) for visitor in ids]
        called = time.perf_counter()
        self._settle(before + len(ids))
        delivered = time.perf_counter()
        self._check(found)
        return {"seconds": called - started, "delivered": delivered - started}

    def asking(self, ids: List[str]) -> float:
        """Seconds that the requests alone take to make."""
        started = time.perf_counter()
        for visitor in ids:
            self._ask(visitor)
        return time.perf_counter() - started

    def decisions(self, ids: List[str]) -> List[Any]:
        """What each visitor got."""
        before = self._release.delivered
        found = [self._decide(visitor) for visitor in ids]
        self._settle(before + len(ids))
        self._check(found)
        return found

    def _decide(self, visitor: str) -> Any:
        return self._read(self._release.client.get_offers({"request": self._ask(visitor)})["response"])

    def _settle(self, total: int) -> None:
        """Leave nothing under way."""
        if self._notifies:
            self._release.deliver(total)

    def _check(self, found: List[Any]) -> None:
        """Raise ``RuntimeError`` where somebody did not get what the artifact offers."""
        for each in found:
            offers = each if isinstance(each, list) else [each]
            if not offers or not self._legal.issuperset(map(canonical, offers)):
                raise RuntimeError("not decided: {}".format(offers[:1]))


def asking(visit: Message, mboxes: List[str]) -> Callable[[str], Any]:
    """The whole request of a visitor: address and browser are another one's each time, so nothing of it is kept."""
    types: Any = importlib.import_module("delivery_api_client")
    mode = {"prefetch": types.PrefetchRequest, "execute": types.ExecuteRequest}[visit["mode"]]
    url, user_agent, parameters = visit["url"], visit["user_agent"], visit["parameters"]
    random.Random(1).shuffle(mboxes)  # neighbours in the artifact are no neighbours in time
    names = cycle(mboxes if visit["mbox"] == EVERY else [visit["mbox"]])

    def ask(visitor: str) -> Any:
        name = next(names)
        if name is None:
            asked = mode(page_load=types.RequestDetails(parameters=parameters))
        else:
            asked = mode(mboxes=[types.MboxRequest(name=name, index=1, parameters=parameters)])
        return types.DeliveryRequest(
            id=types.VisitorId(tnt_id=visitor),
            context=types.Context(
                channel=types.ChannelType.WEB, address=types.Address(url=url), user_agent=user_agent),
            **{visit["mode"]: asked},
        )  # fmt: skip

    return ask


def reading(visit: Message) -> Callable[[Any], Any]:
    """What a site reads of a response: the content of the mbox's offer, or those of the page load's offers."""
    if visit["mbox"] is None:
        return lambda response: [option.content for option in response.prefetch.page_load.options]
    if visit["mode"] == "prefetch":
        return lambda response: response.prefetch.mboxes[0].options[0].content
    return lambda response: response.execute.mboxes[0].options[0].content


def main() -> None:
    """Make the client that the settings name, then decide as often as asked."""
    logging.disable(logging.CRITICAL)
    settings: Message = json.loads(sys.argv[1])
    output = protocol_output()
    try:
        decider = Decider(settings)
        decider.timed(visitors("first", 1))
    except Exception as error:  # noqa: BLE001 - told to the benchmark, which says "not run"
        send(output, {"error": "{}: {}".format(type(error).__name__, error)})
        return
    release = "target-python-sdk " + OLD if settings["kind"] == OLD else "this checkout"
    send(output, {"version": "{} on CPython {}".format(release, platform.python_version())})
    answer_lines(output, decider.answer)
    os._exit(0)  # 1.1.0's thread pools would hold the exit up


if __name__ == "__main__":
    main()
