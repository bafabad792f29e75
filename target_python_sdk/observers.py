"""Observers of a client: what they receive for each call, download of the rule artifact, and change of a circuit."""

import logging
from typing import Callable, Dict, NamedTuple, Optional, Tuple

from target_python_sdk.offers import Offer
from target_tools.error_text import invalid
from target_tools.errors import OptionError
from target_tools.http.messages import Timings
from target_tools.logger import LOGGER_NAME

__all__ = ["CallStart", "Exposure", "ExposureLogger", "Finish", "Observed", "Observer"]


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
    """The duration, without the time in the workers' queue; for ``circuit_closed`` how long the circuit was open."""

    attempts: int = 0
    """The number of attempts to send the request. An on-device decision needs none."""

    status: Optional[int] = None
    """The HTTP status of the answer. For an on-device decision 200, or 206 if parts could not be decided."""

    error: Optional[BaseException] = None
    """Why the call failed, even if it returned an answer without offers; in a hybrid call, also the edge's error."""

    offers: Tuple[Offer, ...] = ()
    """The offers of the answer, one for each mbox and view, and for the page load."""

    new_visitor: bool = False
    """Whether the call had no id of the visitor. Many such calls may mean that the application loses its cookies."""

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


class ExposureLogger:
    """An observer that logs which experience a session got in which activity, once for each session and location.

    It writes to ``logger``, by default ``adobe.target.exposures``, at INFO. The lines have no ids of visitors. It
    remembers the hashes of up to ``max_remembered`` exposures. It skips offers whose activity is unknown.
    """

    def __init__(self, logger: Optional[logging.Logger] = None, max_remembered: int = 100_000) -> None:
        if logger is not None and not hasattr(logger, "isEnabledFor"):
            expected = "a logging.Logger"
            hint = "pass logging.getLogger(name)" if isinstance(logger, str) else ""
            raise OptionError(invalid("Invalid argument 'logger'", expected=expected, got=logger, hint=hint), "logger")
        self._logger = logger or logging.getLogger(f"{LOGGER_NAME}.exposures")
        self._limit = max(1, max_remembered // 2)
        # When ``_new`` has half of the maximum, it becomes ``_old``, and the previous ``_old`` is forgotten.
        self._new: Dict[int, object] = {}
        self._old: Dict[int, object] = {}

    def __call__(self, observed: Observed) -> None:
        """Log the new exposures of a call."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        for offer in observed.offers:
            activity, experience = (offer.activity, offer.experience) if offer else (None, None)
            if activity is None:
                continue
            exposure = Exposure(offer.kind, offer.name, activity, experience, observed.decided_by)
            if self._is_new(hash((observed.session_id, exposure[:4]))):
                place = offer.kind if offer.name is None else f"{offer.kind} {offer.name!r}"
                text = "%s: activity %r, experience %r, %s"
                arguments = (place, activity, experience, observed.decided_by)
                self._logger.info(text, *arguments, extra={"target_exposure": exposure._asdict()})

    def _is_new(self, key: int) -> bool:
        mine = object()
        new = self._new
        if key in self._old or new.setdefault(key, mine) is not mine:
            return False
        if len(new) >= self._limit and self._new is new:  # otherwise another thread has replaced it
            self._old, self._new = new, {}
        return True


class Exposure(NamedTuple):
    """The items of the dict ``target_exposure``, an attribute of the log record of each exposure."""

    kind: str
    """``mbox``, ``view`` or ``page_load``."""

    name: Optional[str]
    """The name of the mbox or view."""

    activity: str
    """The name or the id of the activity."""

    experience: Optional[str]
    """The name or the id of the experience, if it is known."""

    decided_by: Optional[str]
    """``on-device`` or ``server-side``."""


#: An observer: a callable that takes an ``Observed``. It may have a method ``start``, which returns a ``Finish``.
Observer = Callable[[Observed], object]
#: What ``start`` of an observer returns: the callable for the ``Observed`` of this call, or None to skip the call.
Finish = Optional[Callable[[Observed], object]]
