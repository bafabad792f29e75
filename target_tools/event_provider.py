"""Subscriptions to events.

Subscribers are code of the application. If one raises, the exception is logged and has no other effect. Subscribing
and emitting take no lock, so both are possible at any time, from any thread, and inside a subscriber.

Subscribers run in the thread in which the event occurs. For artifact downloads that is the polling thread, which
does not poll until they return.
"""

from __future__ import annotations

import itertools
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from target_tools.callables import accepts
from target_tools.logger import Log

Subscriber = Callable[..., object]


class Event(Dict[str, Any]):
    """The argument of a subscriber. ``event["error"]`` and ``event.error`` are the same."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the event {self.get('type')!r} has no {name!r}") from None


class EventProvider:
    """The subscriptions of one client. ``events`` maps event names to the initial subscribers."""

    def __init__(self, events: Optional[Mapping[str, Subscriber]] = None, log: Optional[Log] = None) -> None:
        #: By id: the name of the event, the subscriber, and whether it takes the event as an argument. Target's
        #: documentation shows subscribers with and without an argument.
        self.subscriptions: Dict[str, Tuple[str, Subscriber, bool]] = {}
        self._log = log or Log()
        # Numbers are not reused, because a subscription would overwrite another one with the same number.
        self._numbers = itertools.count(1)
        for name, subscriber in (events or {}).items():
            self.subscribe(name, subscriber)

    @property
    def subscription_count(self) -> int:
        """The number of subscriptions."""
        return len(self.subscriptions)

    def subscribe(self, event_name: str, callback_func: Subscriber) -> str:
        """Call ``callback_func`` for each ``event_name``. Return an id for ``unsubscribe``."""
        subscription = f"{event_name}:{next(self._numbers)}"
        # Inspect the subscriber here, in the application's thread, because this may import a module. If a process forks
        # while another thread imports a module, the child can never import it.
        self.subscriptions[subscription] = event_name, callback_func, accepts(callback_func, 1)
        return subscription

    def unsubscribe(self, event_id: str) -> None:
        """Remove a subscription. Unknown ids are ignored."""
        self.subscriptions.pop(event_id, None)

    def has_subscriber(self, event_name: str) -> bool:
        """Return whether ``event_name`` has a subscriber."""
        return any(name == event_name for name, _, _ in list(self.subscriptions.values()))

    def needs_payload(self, event_name: str) -> bool:
        """Return whether a subscriber of ``event_name`` takes the event as an argument."""
        return any(name == event_name and takes for name, _, takes in list(self.subscriptions.values()))

    def emit(self, event_name: str, payload: Optional[Mapping[str, Any]] = None) -> None:
        """Call all subscribers of ``event_name``, in the order of their subscriptions."""
        for name, subscriber, takes_event in list(self.subscriptions.values()):
            if name != event_name:
                continue
            try:
                if takes_event:
                    subscriber(target_event(event_name, payload))
                else:
                    subscriber()
            except Exception:  # noqa: BLE001 - it is logged, and other subscribers still run
                self._log.exception("A subscriber of the event %s raised", event_name)


def target_event(event_type: str, payload: Optional[Mapping[str, Any]] = None) -> Event:
    """Return the event of type ``event_type`` with the keys of ``payload``."""
    return Event(payload or {}, type=event_type)
