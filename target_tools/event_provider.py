"""Subscribe, unsubscribe, emit.

A subscriber belongs to the application: it may raise, and nobody but the log hears
of it.  Subscribing and emitting take no lock, so both may happen at any time, from
any thread and from inside a subscriber.

A subscriber is called in the thread where the event happens: for the downloads of rule
artifacts that is the thread that polls, which takes no other turn meanwhile.
"""

import itertools
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from target_tools.logger import Log

Subscriber = Callable[..., object]


class Event(Dict[str, Any]):
    """What a subscriber is given: ``event["error"]`` and ``event.error`` are the same."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError("the event {!r} has no {!r}".format(self.get("type"), name)) from None


class EventProvider:
    """Who wants to hear of which event.  ``events`` maps names to the first subscribers."""

    def __init__(self, events: Optional[Mapping[str, Subscriber]] = None, log: Optional[Log] = None) -> None:
        #: By id: the event, who hears of it, and whether that one takes the event.
        self.subscriptions: Dict[str, Tuple[str, Subscriber, bool]] = {}
        self._log = log or Log()
        # Ids are never used twice: a number that came back would overwrite somebody else's subscription.
        self._numbers = itertools.count(1)
        for name, subscriber in (events or {}).items():
            self.subscribe(name, subscriber)

    @property
    def subscription_count(self) -> int:
        """How many want to hear of something."""
        return len(self.subscriptions)

    def subscribe(self, event_name: str, callback_func: Subscriber) -> str:
        """The id to unsubscribe with."""
        subscription = "{}:{}".format(event_name, next(self._numbers))
        # Asked here, in the application's thread, as it imports: a process that is forked while a thread of
        # ours imports a module never can import it.
        self.subscriptions[subscription] = event_name, callback_func, accepts_event(callback_func)
        return subscription

    def unsubscribe(self, event_id: str) -> None:
        """Stop telling that subscriber; an unknown id is nobody's."""
        self.subscriptions.pop(event_id, None)

    def has_subscriber(self, event_name: str) -> bool:
        """Whether anybody would hear of ``event_name``."""
        return any(name == event_name for name, _, _ in list(self.subscriptions.values()))

    def emit(self, event_name: str, payload: Optional[Mapping[str, Any]] = None) -> None:
        """Tell every subscriber of ``event_name``, in the order they came."""
        for name, subscriber, takes_it in list(self.subscriptions.values()):
            if name == event_name:
                self._notify(subscriber, takes_it, Event(payload or {}, type=event_name))

    def _notify(self, subscriber: Subscriber, takes_it: bool, event: Event) -> None:
        try:
            if takes_it:
                subscriber(event)
            else:
                subscriber()
        except Exception:  # noqa: BLE001 - it is the application's, and harms nobody else
            self._log.exception("A subscriber of the event %s raised", event["type"])


def accepts_event(subscriber: Subscriber) -> bool:
    """Whether ``subscriber`` can be called with an event; the documentation shows both kinds."""
    import inspect  # noqa: PLC0415 - slow to import, and not every client has subscribers

    try:
        signature = inspect.signature(subscriber)
    except (TypeError, ValueError):  # some built-ins cannot tell
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


# 1.1.0's names


def target_event(event_type: str, payload: Optional[Mapping[str, Any]] = None) -> Event:
    """What a subscriber is given: ``payload`` and the type of the event."""
    return Event(payload or {}, type=event_type)
