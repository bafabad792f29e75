"""Decides on-device with one release, in a separate process under that release's interpreter.

``python -m benchmarks.decision_worker SETTINGS`` answers

* ``{"calls": N, "seed": S}`` with ``{"seconds": T, "delivered": D}``: the duration of N
  successive calls, each for a new visitor, and the duration until all their notifications
  were delivered;
* ``{"visitors": [...]}`` with ``{"decisions": [...]}``: the contents for each visitor;
* ``{"requests": N}`` with ``{"seconds": T}``: the duration of building N requests without a call.

``node_worker.js`` does the same with Node.js.
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
from typing import Any, Callable, Dict, Iterator, List, TextIO, Tuple

from benchmarks.artifacts import CLIENT, EVERY, HINT, IN_TURN, canonical, contents, visitors
from benchmarks.line_protocol import Message, answer_lines, protocol_output, send
from benchmarks.plan import OLD, SPEEDUPS
from benchmarks.worker import sdk_of
from benchmarks.workload import ORGANIZATION

#: The packages of the extra ``speedups``.
_SPEEDUPS = ("mmh3", "orjson")

#: The longest wait for notifications, in seconds.
_DELIVERY_TIMEOUT = 30.0


def begin() -> Tuple[Message, TextIO]:
    """Return the settings of this process, and the stream for its messages.

    Hides the packages of the extra ``speedups`` from the SDK, unless the settings ask for the extra.
    """
    logging.disable(logging.CRITICAL)
    settings: Message = json.loads(sys.argv[1])
    if settings["kind"] != SPEEDUPS:
        hidden: Dict[str, Any] = dict.fromkeys(_SPEEDUPS)
        sys.modules.update(hidden)
    return settings, protocol_output()


def name_of(settings: Message) -> str:
    """Return the name of the release. Raise ``RuntimeError`` if the settings ask for an extra that is not in use."""
    if settings["kind"] == OLD:
        return f"target-python-sdk {OLD}"
    if settings["kind"] != SPEEDUPS:
        return "this checkout"
    if _SPEEDUPS[0] not in sys.modules:
        raise RuntimeError(f"this checkout does not use {_SPEEDUPS[0]}")
    return "this checkout with " + ", ".join(name for name in _SPEEDUPS if name in sys.modules)


class NoNetwork:
    """A pool manager without a network: answers every request at once, and counts it.

    The same object is also the response, because a response of urllib3 would cost more than the measured call.
    """

    status = 200
    reason = "OK"

    def __init__(self, body: bytes = b"{}") -> None:
        self._body = body
        self.delivered = 0
        self.headers = {"Content-Type": "application/json"}

    def request(self, _method: str, _url: str, **_more: Any) -> "NoNetwork":
        """Return the response: 200 with the body."""
        self.delivered += 1
        return self

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """Yield the body of the response."""
        return iter((self._body,))

    def release_conn(self) -> None:
        """Do nothing; there is no connection."""

    def close(self) -> None:
        """Do nothing; there is no connection."""


def on_device_client(settings: Message, artifact: Message, **more: Any) -> Any:
    """Return a client that decides with ``artifact`` and downloads no other."""
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
    """A client whose notifications are counted and not sent."""

    def __init__(self, settings: Message, artifact: Message) -> None:
        if settings["kind"] == OLD:
            # 1.1.0 starts a thread for each call's notifications. With this replacement, the thread only counts.
            delivered: List[None] = []
            sdk_of(OLD).TargetClient.send_notifications = lambda *_, **__: delivered.append(None)
            self.client = on_device_client(settings, artifact)
            self._count: Callable[[], int] = lambda: len(delivered)
            self._flush: Callable[[], object] = lambda: None
        else:
            network = NoNetwork()
            self.client = on_device_client(settings, artifact, pool_manager=network)
            self._count = lambda: network.delivered
            self._flush = lambda: self.client.flush(_DELIVERY_TIMEOUT * 1000)

    @property
    def delivered(self) -> int:
        """The number of notifications delivered so far."""
        return self._count()

    def deliver(self, total: int) -> None:
        """Wait until ``total`` notifications have been delivered."""
        self._flush()
        deadline = time.monotonic() + _DELIVERY_TIMEOUT
        while self.delivered < total and time.monotonic() < deadline:
            time.sleep(0.0002)
        if self.delivered != total:
            raise RuntimeError(f"{self.delivered} notifications were delivered instead of {total}")


class Decider:
    """Decides for visitors with one client, and checks that the contents are in the artifact."""

    def __init__(self, settings: Message) -> None:
        artifact = json.loads(Path(settings["artifact"]).read_text(encoding="utf-8"))
        self._possible = set(map(canonical, contents(artifact)))
        self._release = Release(settings, artifact)
        self._notifies = settings["visit"]["mode"] == "execute"
        self._build_request = request_builder(settings["visit"], list(artifact["rules"]["mboxes"]))
        self._read = content_reader(settings["visit"])

    def answer(self, question: Message) -> Message:
        """Answer a question of the benchmark."""
        if "visitors" in question:
            return {"decisions": self.decisions(question["visitors"])}
        if "requests" in question:
            return {"seconds": self.build_requests(visitors("building", question["requests"]))}
        return self.measure(visitors(question["seed"], question["calls"]))

    def measure(self, ids: List[str]) -> Message:
        """Return the seconds until all visitors have their contents, and until all notifications are delivered."""
        decide = self.decide
        before = self._release.delivered
        started = time.perf_counter()
        found = [decide(visitor) for visitor in ids]
        called = time.perf_counter()
        self._wait_until_delivered(before + len(ids))
        delivered = time.perf_counter()
        self._check(found)
        return {"seconds": called - started, "delivered": delivered - started}

    def build_requests(self, ids: List[str]) -> float:
        """Return the seconds for building the requests."""
        started = time.perf_counter()
        for visitor in ids:
            self._build_request(visitor)
        return time.perf_counter() - started

    def decisions(self, ids: List[str]) -> List[Any]:
        """Return the contents for each visitor."""
        before = self._release.delivered
        found = [self.decide(visitor) for visitor in ids]
        self._wait_until_delivered(before + len(ids))
        self._check(found)
        return found

    @property
    def client(self) -> Any:
        """The client."""
        return self._release.client

    def request(self, visitor: str) -> Any:
        """Return a new request for ``visitor``."""
        return self._build_request(visitor)

    def decide(self, visitor: str) -> Any:
        """Return the content that the visitor gets."""
        return self._read(self._release.client.get_offers({"request": self._build_request(visitor)})["response"])

    def _wait_until_delivered(self, total: int) -> None:
        """Wait until ``total`` notifications have been delivered, if calls of this kind send any."""
        if self._notifies:
            self._release.deliver(total)

    def _check(self, found: List[Any]) -> None:
        """Raise ``RuntimeError`` if a visitor got a content that is not in the artifact."""
        for each in found:
            offers = each if isinstance(each, list) else [each]
            if not offers or not self._possible.issuperset(map(canonical, offers)):
                raise RuntimeError(f"not decided: {offers[:1]}")


def request_builder(visit: Message, mboxes: List[str]) -> Callable[[str], Any]:
    """Return a function that builds a complete request. All its parts are new, so that nothing can be cached."""
    types: Any = importlib.import_module("delivery_api_client")
    mode = {"prefetch": types.PrefetchRequest, "execute": types.ExecuteRequest}[visit["mode"]]
    url, user_agent, parameters = visit["url"], visit["user_agent"], visit["parameters"]
    random.Random(1).shuffle(mboxes)  # successive calls request unrelated mboxes
    names = cycle(mboxes[:IN_TURN] if visit["mbox"] == EVERY else [visit["mbox"]])

    def build(visitor: str) -> Any:
        name = next(names)
        if name is None:
            part = mode(page_load=types.RequestDetails(parameters=parameters))
        else:
            part = mode(mboxes=[types.MboxRequest(name=name, index=1, parameters=parameters)])
        return types.DeliveryRequest(
            id=types.VisitorId(tnt_id=visitor),
            context=types.Context(
                channel=types.ChannelType.WEB, address=types.Address(url=url), user_agent=user_agent),
            **{visit["mode"]: part},
        )  # fmt: skip

    return build


def content_reader(visit: Message) -> Callable[[Any], Any]:
    """Return a function that reads the content of the mbox's offer, or the contents of the page load's offers."""
    if visit["mbox"] is None:
        return lambda response: [option.content for option in response.prefetch.page_load.options]
    if visit["mode"] == "prefetch":
        return lambda response: response.prefetch.mboxes[0].options[0].content
    return lambda response: response.execute.mboxes[0].options[0].content


def main() -> None:
    """Create the client that the settings describe, then answer the questions."""
    settings, output = begin()
    try:
        decider = Decider(settings)
        decider.measure(visitors("first", 1))
        release = name_of(settings)
    except Exception as error:  # noqa: BLE001 - the benchmark prints it as the reason for "not run"
        send(output, {"error": f"{type(error).__name__}: {error}"})
        return
    send(output, {"version": f"{release} on CPython {platform.python_version()}"})
    answer_lines(output, decider.answer)
    os._exit(0)  # 1.1.0's thread pools would delay the exit


if __name__ == "__main__":
    main()
