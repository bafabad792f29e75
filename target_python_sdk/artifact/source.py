"""The newest rule artifact of one client in one process.

The first comes from ``artifact_payload``, else from the cache and the network; after that one daemon thread asks for a
newer one again and again.  Whatever goes wrong on the way, the last good one stays: a server, a proxy, an artifact that
cannot be used and a subscriber that raises cost one turn each.

Nothing here takes a lock that others wait for.  Artifacts are swapped by one assignment; waiters have raw locks.

Subscribers are told in the thread that polls, when the artifact is in use and in the cache: one that takes long holds
up the next download and nothing else.
"""

import _thread
import math
import random
import threading
import weakref
from functools import partial
from typing import Any, Callable, Generic, Mapping, Optional, TypeVar, Union

from target_python_sdk.artifact.download import Download
from target_python_sdk.artifact.format import document_of, read_artifact
from target_python_sdk.artifact.update import (
    SHORTEST_INTERVAL,
    Failure,
    Found,
    Kept,
    LeftOut,
    Nothing,
    Outcome,
    Waiters,
    artifact_place,
    as_it_is,
    cache_of,
    cached,
    downloaded,
    ends_a_greenlet,
    log_failure,
    log_single_download,
    patience_asked,
    polling_interval,
    say,
    survived,
    without_traces,
)
from target_python_sdk.delivery.options import ClientSettings
from target_tools.clock import epoch_milliseconds, iso_8601, monotonic
from target_tools.concurrency.poller import Poller
from target_tools.errors import InvalidArtifact, TargetError, escape_text
from target_tools.event_provider import EventProvider
from target_tools.http.messages import Send
from target_tools.logger import Log

ArtifactT = TypeVar("ArtifactT")

#: What a turn is about.
_PAYLOAD, _CACHE, _NETWORK = "payload", "cache", "network"

DOWNLOAD_SUCCEEDED = "artifact_download_succeeded"
DOWNLOAD_FAILED = "artifact_download_failed"
GEO_LOCATION_UPDATED = "geo_location_updated"

#: How long one download may take with its retries, in seconds; large artifacts come over slow lines, too.
DOWNLOAD_SECONDS = 30.0
#: The pause after a first failure, in seconds; it doubles with each until it is the interval.
FIRST_PAUSE = 1.0
#: How far an interval is off, either way, so that the processes of an application do not ask in one moment.
JITTER = 0.1


class ArtifactSource(Generic[ArtifactT]):
    """Keeps the newest artifact.  ``start`` begins; until then nothing happens.

    ``inherited`` is the source of a parent process: its artifact serves here, too, and is let go here when a newer one
    came.  Raises ``OptionError`` for an address that leads nowhere, and for a path that names no file.
    """

    def __init__(  # noqa: PLR0917 - what a runtime is made of
        self,
        settings: ClientSettings,
        compile_artifact: Callable[[Any], ArtifactT],
        send: Send,
        log: Log,
        events: EventProvider,
        inherited: "Optional[ArtifactSource[ArtifactT]]" = None,
    ) -> None:
        self._settings = settings
        self._compile = compile_artifact
        self._send = send
        self._log = log
        self._events = events
        self._place = artifact_place(settings, log)
        #: How long a download may take.
        self._seconds = DOWNLOAD_SECONDS
        #: Where it is downloaded from, without credentials and query.
        self.location = self._place.address.shown
        #: Seconds between two downloads; 0: there is only the first.
        self.interval = polling_interval(settings, self._place)
        #: The newest artifact with what belongs to it: assigned at once, so that nobody sees two halves.
        self.kept = Kept()
        #: How many artifacts were downloaded, and when the last was, in milliseconds since 1970.
        self.retrievals = 0
        self.last_retrieved: Optional[float] = None
        #: What the last download failed with, without its traceback; None if it did not fail.
        self.last_error: Optional[BaseException] = None
        #: When the next turn is due, on the monotonic clock.
        self._due: Optional[float] = None
        self._cache = cache_of(settings, self._place, log)
        self._parent = inherited
        self._inherit(inherited)
        #: The cache, as long as it has to be looked into, and a payload that could not be used.
        self._unread = self._cache if self.artifact is None else None
        self._bad_payload: Optional[Failure] = None
        #: What the turn is about.
        self._turn = _NETWORK
        self._failures = 0
        self._left_out = LeftOut(log)
        self._started = self._inline = False
        #: Where no thread was to be had: when to try for one again, on the monotonic clock.
        self._next_try = 0.0
        #: Whether the first download is over, whatever it brought.
        self._tried = False
        self._waiters = Waiters()
        # Not the module's generator: forked children would all wait the same times.
        self._uniform = random.SystemRandom().uniform
        self._poller = Poller(_turns_of(weakref.ref(self), log), "target-{}-artifact".format(settings.client))
        # One that nobody stopped lets its thread go when it is collected, or at exit.
        weakref.finalize(self, self._poller.stop)

    @property
    def artifact(self) -> Optional[ArtifactT]:
        """The newest artifact, or None."""
        artifact: Optional[ArtifactT] = self.kept.artifact
        return artifact

    @property
    def stale(self) -> bool:
        """Whether it came from the cache and no download has confirmed it yet."""
        return self.kept.stale

    @property
    def polling_halted(self) -> bool:
        """Whether no newer artifact will be asked for."""
        return not self.interval or self._inline or self._poller.stopped

    def retrieval(self) -> Mapping[str, Any]:
        """What a trace tells of the download."""
        is_given = self._settings.artifact_payload is not None and not self.retrievals
        return {
            "artifactLocation": "Not Applicable" if is_given else self.location,
            "pollingInterval": int(self.interval * 1000),
            "pollingHalted": self.polling_halted,
            "artifactRetrievalCount": self.retrievals,
            "artifactLastRetrieved": None if self.last_retrieved is None else iso_8601(self.last_retrieved),
        }

    def start(self) -> None:
        """Begin.  Does nothing if it has begun, so it may be called before each use.

        Where no thread was to be had, it tries for one again, once a second at most.
        """
        if self._started or self._poller.stopped:
            return
        if self._inline:
            self._try_again()
            return
        if self.artifact is None and self._settings.artifact_payload is not None:
            self._take_payload(self._settings.artifact_payload)
        if self._is_through() or self._poller.start(self._first_pause()):
            self._started = True  # now: a signal handler may have raised before
        else:
            self._run_here()

    def stop(self) -> None:
        """End the polling, and let go whoever waits.  The artifact stays."""
        self._poller.stop()
        self._waiters.ring()

    def wait(self, seconds: float) -> bool:
        """Whether an artifact is there, within that time.

        Comes back earlier when the first download has failed; a later one may still succeed.
        """
        self._waiters.wait(seconds, lambda: self.artifact is not None or self._tried or self._poller.stopped)
        return self.artifact is not None

    def on_ready(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once, as soon as an artifact is there: now, or in the thread that gets it."""
        self._waiters.add(callback)
        if self.artifact is not None:
            self._waiters.tell()

    # In the caller's thread

    def _inherit(self, parent: "Optional[ArtifactSource[ArtifactT]]") -> None:
        if parent is not None and parent.artifact is not None:
            self.kept = parent.kept
            self.retrievals, self.last_retrieved = parent.retrievals, parent.last_retrieved
            self._due = parent._due
            if self._cache is not None and parent._cache is not None:
                self._cache.saved_at = parent._cache.saved_at

    def _take_payload(self, payload: Any) -> None:
        try:
            self.kept = Kept(self._compile(document_of(payload)))
        except InvalidArtifact as error:
            self._bad_payload = Failure(error)  # the thread says so: a subscriber is not to run here
        else:
            self._unread = None  # a copy in the cache may be older
            self._due = monotonic() + self.interval
            self._left_out.name(self.artifact)
            self._waiters.ring()
            self._waiters.tell()

    def _is_through(self) -> bool:
        """Whether there is nothing to ask for: no polling, and an artifact that needs no confirmation."""
        return not self.interval and self.artifact is not None and not self.stale

    def _first_pause(self) -> float:
        """Seconds until a child takes its first turn: when its parent would have, or a little earlier."""
        if self._due is None or self.stale:
            return 0.0
        # Children of one parent that were all late ask over a while, too.
        soonest = min(FIRST_PAUSE, self.interval * JITTER)
        return max(self._due - monotonic(), soonest) * self._uniform(1 - 2 * JITTER, 1)

    def _run_here(self) -> None:
        """One download in this thread: no other is to be had."""
        self._next_try = math.inf
        self._inline = True
        log_single_download(self._log)
        self._seconds = min(DOWNLOAD_SECONDS, self._settings.maximum_wait_ready)
        if self._cache is not None:
            self._cache.interruptible = _thread.get_ident() == threading.main_thread().ident
        try:
            while self._due is None and not self._tried and not self._poller.stopped:
                try:
                    outcome = self._errand()()
                except TargetError as error:
                    outcome = Failure(error)
                self._take(outcome)
        finally:
            if self._cache is not None:
                self._cache.interruptible = False
            self._seconds = DOWNLOAD_SECONDS
            self._next_try = monotonic() + FIRST_PAUSE

    def _try_again(self) -> None:
        """Look for a thread again, where none was to be had."""
        now = monotonic()
        if now < self._next_try:
            return
        self._next_try = now + FIRST_PAUSE
        if self._is_through() or self._poller.start(self._first_pause()):
            self._inline = False
            self._started = True

    # In the thread that polls

    def _errand(self) -> Callable[[], Outcome]:
        """What this turn has to do.  It does not hold the source: that may be collected meanwhile."""
        if self._bad_payload is not None:
            self._turn = _PAYLOAD
            return partial(as_it_is, self._bad_payload)
        if self._unread is not None:
            self._turn = _CACHE
            return partial(cached, self._unread, self._place, self._compile, self._log)
        self._turn = _NETWORK
        deadline = partial(self._poller.scope.deadline, self._seconds)
        return partial(downloaded, self._place, self.kept.etag, self._compile, self._send, deadline)

    def _take(self, outcome: Outcome) -> Optional[float]:
        """Seconds until the next turn, after this ``outcome``; None: there is none."""
        if self._turn == _CACHE:
            return self._take_copy(outcome)
        if self._turn == _PAYLOAD:
            return self._take_bad_payload()
        pause = self._take_failure(outcome.error) if isinstance(outcome, Failure) else self._take_success(outcome)
        self._due = None if pause is None else monotonic() + pause
        return pause

    def _take_bad_payload(self) -> Optional[float]:
        failure, self._bad_payload = self._bad_payload, None
        assert failure is not None
        self.last_error = failure.error
        if not self.interval:
            self._settle()
        self._log.error("artifact_payload cannot be used: %s", escape_text(failure.error))
        self._tell_of_failure(failure.error)
        # A client with a payload and without polling is not to touch the network.
        return 0.0 if self.interval else None

    def _take_copy(self, outcome: Outcome) -> float:
        self._unread = None
        if isinstance(outcome, Found):
            self._adopt(outcome)
            self._waiters.tell()
        return 0.0

    def _take_success(self, outcome: Union[Found, Nothing]) -> Optional[float]:
        download = outcome.download if isinstance(outcome, Found) else None
        if isinstance(outcome, Found):
            self.retrievals += 1
            self.last_retrieved = epoch_milliseconds()
            self._adopt(outcome)
        else:
            self.kept = self.kept._replace(stale=False)
        self._failures, self.last_error, self._tried = 0, None, True
        self._waiters.tell()
        if self._cache is not None and download is None:
            self._cache.renew()
        elif self._cache is not None and download is not None:
            self._cache.save(download.etag, download.body)
        if download is not None:
            self._tell_of(download)  # last: a subscriber may do anything
        return self._pause()

    def _pause(self) -> Optional[float]:
        """Seconds until the next turn, where nothing failed."""
        if self._is_through():
            return None
        return (self.interval or SHORTEST_INTERVAL) * self._uniform(1 - JITTER, 1 + JITTER)

    def _take_failure(self, error: BaseException) -> float:
        self._failures += 1
        self.last_error = error
        self._settle()
        log_failure(self._log, self.location, error, self.artifact is not None)
        self._tell_of_failure(error)
        longest = self.interval or SHORTEST_INTERVAL
        pause = min(longest, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 20)) * self._uniform(0.5, 1)
        return max(pause, min(patience_asked(error), longest))

    def _settle(self) -> None:
        """It is known what the first download brought."""
        self._tried = True
        self._waiters.ring()

    def _tell_of_failure(self, error: BaseException) -> None:
        try:
            self._events.emit(DOWNLOAD_FAILED, {"artifact_location": self._place.url, "error": error})
        finally:
            without_traces(error)

    def _adopt(self, found: Found) -> None:
        """From now on decisions are made by this one."""
        self.kept = Kept(found.artifact, found.etag, stale=found.download is None)
        self._waiters.ring()
        self._forget_inherited()
        self._left_out.name(found.artifact)

    def _forget_inherited(self) -> None:
        """Let go of what parent processes had; their sources serve nobody here."""
        parent, self._parent = self._parent, None
        while parent is not None and not parent._poller.created_in_this_process():
            parent.kept = Kept()
            following, parent._parent = parent._parent, None
            parent = following

    def _tell_of(self, download: Download) -> None:
        self._log.debug("The rule artifact was downloaded from %s: %d bytes", self.location, len(download.body))
        if self._events.has_subscriber(DOWNLOAD_SUCCEEDED):
            # A subscriber may do with it what it likes, so it is none that decisions are made by.
            document = read_artifact(download.body, self._place.masked, self._place.organization_id)
            self._events.emit(DOWNLOAD_SUCCEEDED, {"artifact_location": self._place.url, "artifact_payload": document})
        if download.geo is not None:
            self._events.emit(GEO_LOCATION_UPDATED, {"geo_context": download.geo})


def _turns_of(reference: "weakref.ref[ArtifactSource[Any]]", log: Log) -> Callable[[], Optional[float]]:
    """The turns of a source, which they do not hold while they wait for the network."""

    def turn() -> Optional[float]:
        source = reference()
        if source is None:
            return None
        errand = source._errand()
        del source
        return _taken(reference, survived(errand, log))

    def guarded() -> Optional[float]:
        try:
            return turn()
        except BaseException as error:  # this thread is ours, and it goes on whatever happens
            if ends_a_greenlet(error):
                raise
            say(log, "The polling of the rule artifact stumbled and goes on")
        source = reference()
        return None if source is None else source._pause()

    return guarded


def _taken(reference: "weakref.ref[ArtifactSource[Any]]", outcome: Outcome) -> Optional[float]:
    """Hand ``outcome`` to the source, if anybody still wants it.

    Not part of the turn: an error holds the frames below which it was raised, and would hold the source with them.
    """
    source = reference()
    return None if source is None or source._poller.stopped else source._take(outcome)
