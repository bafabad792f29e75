"""The live feed of a local edge: requests, notifications, reloads and warnings, for readers in other threads.

``LocalEdge.feed`` is an ``EventFeed``. ``GET /events`` sends it as server-sent events: each
has ``id``, ``event`` (the type) and ``data`` (one line of JSON). A browser that connects
again sends the last id that it received, as ``Last-Event-ID``, and receives the later events.
A new connection receives only new events; with ``?after=0``, it first receives the events
that are still kept. The data contain the ``time`` of the event, in milliseconds since 1970,
and depend on the type:

==================  ==========================================================================
type                data
==================  ==========================================================================
``request``         ``method``, ``path``, ``status``, ``milliseconds``; ``problem`` if the
                    request was refused. For a delivery request also ``visitor``, the id that
                    determines the buckets, and ``decisions``: a list of objects with ``mode``,
                    ``location``, ``activity``, ``experience`` and ``reason``; ``activity`` and
                    ``experience`` are None if the visitor gets no offer. ``notifications``
                    contains ``type``, ``location`` and ``events`` of each notification in the
                    request, and ``telemetry`` is the number of its telemetry entries
``notification``    about an accepted notification: ``id``, ``type``, ``location``,
                    ``visitor``, and ``events``, the displays and clicks that it reports:
                    ``type``, ``location``, ``activity``, ``experience``
``reload``          ``path``, and ``summary``: a line for each activity
``reload_error``    ``path``, ``problem``, which names the place. The previous activities stay
                    in use
``warning``         ``problem``: for example, that a client has another code than the activities
==================  ==========================================================================

Events contain visitor ids. They are for the developer's page, not for logs.
"""

import json
import threading
from typing import Callable, List, NamedTuple

from target_python_sdk.local_edge.http_messages import ByteStream
from target_python_sdk.local_edge.recording import Recording
from target_python_sdk.local_edge.validation import Json
from target_tools.clock import epoch_milliseconds

#: The maximum number of events that are kept, and the maximum size of their data as JSON, in bytes.
MAX_EVENTS = 500
MAX_BYTES = 8 * 1024 * 1024
#: The seconds between comments in a stream without events.
PING_INTERVAL = 15.0


class FeedEvent(NamedTuple):
    """One event. The first one has the number 1, and each further one the next number."""

    number: int
    type: str
    data: Json


class EventFeed:
    """The newest events. Any thread can publish and read."""

    def __init__(self) -> None:
        self._events: Recording[FeedEvent] = Recording(MAX_EVENTS, MAX_BYTES)
        self._changed = threading.Condition()
        self._last = 0

    @property
    def last(self) -> int:
        """The number of the newest event; 0 before the first one."""
        return self._last

    def publish(self, type_: str, data: Json) -> None:
        """Append an event with the current time. If the events exceed a limit, the oldest are dropped."""
        data = {"time": epoch_milliseconds(), **data}
        size = len(json.dumps(data))
        with self._changed:
            self._last += 1
            self._events.add([FeedEvent(self._last, type_, data)], size)
            self._changed.notify_all()

    def wake(self) -> None:
        """Let all waiting readers check again whether they should stop."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, after: int, timeout: float, is_stopping: Callable[[], bool] = lambda: False) -> List[FeedEvent]:
        """Return the kept events with higher numbers than ``after``, oldest first.

        If there are none, wait up to ``timeout`` seconds for one, or until ``is_stopping`` returns
        True after a call of ``wake``.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._last > after or is_stopping(), timeout)
            return [event for event in self._events.items() if event.number > after]


def server_sent_events(feed: EventFeed, after: int, is_stopping: Callable[[], bool]) -> ByteStream:
    """Yield the events with higher numbers than ``after`` in the format of server-sent events, until stopped.

    Comments at intervals detect whether the client is still connected.
    """
    yield b": connected\n\n"
    while not is_stopping():
        events = feed.wait(after, PING_INTERVAL, is_stopping)
        for event in events:
            after = event.number
            yield f"id: {event.number}\nevent: {event.type}\ndata: {json.dumps(event.data)}\n\n".encode("ascii")
        if not events and not is_stopping():
            yield b": ping\n\n"
