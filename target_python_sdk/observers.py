"""Observers of a client: what they receive for each call, download of the rule artifact, and change of a circuit."""

from typing import Callable, NamedTuple, Optional, Tuple

from target_python_sdk.offers import Offer
from target_tools.http.messages import Timings

__all__ = ["CallStart", "Finish", "Observed", "Observer"]


class CallStart(NamedTuple):
    """A call, or a download of the rule artifact, that is about to start."""

    kind: str
    """``get_offers``, ``get_attributes``, ``send_notifications`` or ``artifact``."""

    locations: Tuple[str, ...] = ()
    """The mboxes and views of the request. The page load is ``target-global-mbox``."""

    decided_by: Optional[str] = None
    """``server-side`` if the edge will be asked first, or ``on-device``; None for a download."""

    request_id: Optional[str] = None
    """The id of the request, which errors and log lines contain; None for a download."""


class Observed(NamedTuple):
    """A finished call or download of the rule artifact, or a change of a circuit."""

    kind: str
    """``get_offers``, ``get_attributes``, ``send_notifications``, ``artifact``, ``circuit_opened`` or
    ``circuit_closed``.
    """

    locations: Tuple[str, ...] = ()
    """The mboxes and views of the request. The page load is ``target-global-mbox``."""

    decided_by: Optional[str] = None
    """Who decided a call: ``on-device`` or ``server-side``. None if the kind is not a call."""

    seconds: float = 0.0
    """The duration, without the time in the queue of the workers; for ``circuit_closed`` the time that it was open."""

    attempts: int = 0
    """The number of attempts to send the request. An on-device decision needs none."""

    status: Optional[int] = None
    """The HTTP status of the answer. For an on-device decision 200, or 206 if parts could not be decided."""

    error: Optional[BaseException] = None
    """Why the call failed, also if ``on_error="default"`` answered it; in a hybrid call, also the error of the edge."""

    offers: Tuple[Offer, ...] = ()
    """The offers of the answer, one for each mbox and view, and for the page load."""

    new_visitor: bool = False
    """Whether the call had no id of the visitor. If there are many, the application may have lost its cookies."""

    timings: Optional[Timings] = None
    """How long the steps of the last exchange took; None without an exchange."""

    request_id: Optional[str] = None
    """The id of the request, which errors and log lines contain."""

    session_id: Optional[str] = None
    """The session of the visitor. Personal data in some jurisdictions: ``repr`` does not show it."""

    origin: Optional[str] = None
    """The ``scheme://host:port`` of a circuit."""

    def __repr__(self) -> str:
        """Return what was observed, without ids of the visitor."""
        parts = [self.kind, *filter(None, (self.decided_by, self.origin)), f"{self.seconds * 1000:.1f} ms"]
        parts += [] if self.error is None else [type(self.error).__name__]
        return f"<Observed {' '.join(parts)}{': ' if self.locations else ''}{', '.join(self.locations)}>"


#: An observer: a callable that takes an ``Observed``. It may have a method ``start``; see ``docs/observing.md``.
Observer = Callable[[Observed], object]
#: What ``start`` of an observer returns: the callable for the ``Observed`` of this call, or None to skip the call.
Finish = Optional[Callable[[Observed], object]]
