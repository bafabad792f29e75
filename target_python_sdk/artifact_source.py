"""The newest rule artifact of one client in one process.

The first comes from ``artifact_payload`` or the cache, if there is one, and from the network; after that one daemon
thread asks for a newer one again and again.  Whatever goes wrong on the way, the last good one stays: a server, a
proxy, an artifact that cannot be used and a subscriber that raises cost one turn each.

Nothing here takes a lock that others wait for.  Artifacts are swapped by one assignment, and whoever waits for the
first one waits on a raw lock of its own.
"""

import _thread
import random
import weakref
from collections import deque
from functools import partial
from typing import Any, Callable, Deque, Dict, Generic, Mapping, Optional, TypeVar, Union

from target_python_sdk.artifact_errands import (
    SHORTEST_INTERVAL,
    Failure,
    Found,
    Nothing,
    Outcome,
    artifact_place,
    as_it_is,
    cache_of,
    cached,
    downloaded,
    polling_interval,
    say,
    survived,
)
from target_python_sdk.decisioning.artifact_flow import Download
from target_python_sdk.decisioning.artifact_format import document_of, read_artifact
from target_python_sdk.delivery.options import ClientSettings
from target_tools.clock import epoch_milliseconds, iso_8601, monotonic
from target_tools.errors import HttpStatusError, InvalidArtifact, TargetError, quoted
from target_tools.event_provider import EventProvider
from target_tools.flow import Send
from target_tools.logger import Log
from target_tools.poller import LONGEST_PAUSE, Poller
from target_tools.retries import retry_after

ArtifactT = TypeVar("ArtifactT")

#: What a turn is about.
_PAYLOAD, _CACHE, _NETWORK = "payload", "cache", "network"

DOWNLOAD_SUCCEEDED = "artifact_download_succeeded"
DOWNLOAD_FAILED = "artifact_download_failed"
GEO_UPDATED = "geo_location_updated"

#: How long one download may take with its retries, in seconds; large artifacts come over slow lines, too.
DOWNLOAD_SECONDS = 30.0
#: The pause after a first failure, in seconds; it doubles with each until it is the interval.
FIRST_PAUSE = 1.0
#: How far an interval is off, either way, so that the processes of an application do not ask in one moment.
JITTER = 0.1
#: Seconds after which the copy in the cache, found to be the newest, is dated anew.
RENEWAL = 86400.0
#: How many rules that were left out the log names.
NAMED_RULES = 20


class ArtifactSource(Generic[ArtifactT]):
    """Keeps the newest artifact.  ``start`` begins; until then nothing happens.

    ``inherited`` is the source of a parent process: its artifact serves here, too.  Raises ``OptionError`` for an
    address that leads nowhere.
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
        #: The newest artifact, or None.
        self.artifact: Optional[ArtifactT] = None
        #: Whether it came from the cache and no download has confirmed it yet.
        self.stale = False
        #: How many artifacts were downloaded, and when the last was, in milliseconds since 1970.
        self.retrievals = 0
        self.last_retrieved: Optional[float] = None
        #: What the last download failed with; None if it did not.
        self.last_error: Optional[BaseException] = None
        self._etag: Optional[str] = None
        #: When the cache was written, and when the next turn is due, on the monotonic clock.
        self._saved_at: Optional[float] = None
        self._due: Optional[float] = None
        self._inherit(inherited)

        self._cache = cache_of(settings, self._place, log)
        #: The cache, as long as it has to be looked into, and a payload that could not be used.
        self._unread = self._cache if self.artifact is None else None
        self._bad_payload: Optional[Failure] = None
        #: What the turn is about.
        self._turn = _NETWORK
        self._failures = 0
        self._left_out: Any = ()
        self._started = self._inline = False
        #: Whether the first download is over, whatever it brought.
        self._tried = False
        self._waiters: Dict[int, _thread.LockType] = {}
        self._on_ready: Deque[Callable[[], object]] = deque()
        # Not the module's generator: forked children would all wait the same times.
        self._uniform = random.SystemRandom().uniform
        self._poller = Poller(_turns_of(weakref.ref(self), log), "target-{}-artifact".format(settings.client))
        # One that nobody stopped lets its thread go when it is collected, or at exit.
        weakref.finalize(self, self._poller.stop)

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
        """Begin.  Does nothing if it has begun, so it may be called before each use."""
        if self._started or self._poller.stopped:
            return
        if self.artifact is None and self._settings.artifact_payload is not None:
            self._take_payload(self._settings.artifact_payload)
        if not self._is_through() and not self._poller.start(self._first_pause()):
            self._run_here()
        self._started = True  # now, as a signal handler may have raised before

    def stop(self) -> None:
        """End the polling, and let go whoever waits.  The artifact stays."""
        self._poller.stop()
        self._ring()

    def wait(self, seconds: float) -> bool:
        """Whether an artifact is there, within that time.

        Comes back earlier when the first download has failed; a later one may still succeed.
        """
        bell = _thread.allocate_lock()
        bell.acquire()
        try:
            self._waiters[id(bell)] = bell
            if self.artifact is None and not self._tried and not self._poller.stopped:
                bell.acquire(True, max(0.0, min(seconds, LONGEST_PAUSE)))
        finally:
            self._waiters.pop(id(bell), None)
        return self.artifact is not None

    def on_ready(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once, as soon as an artifact is there: now, or in the thread that gets it."""
        self._on_ready.append(callback)
        if self.artifact is not None:
            self._tell_ready()

    # In the caller's thread

    def _inherit(self, parent: "Optional[ArtifactSource[ArtifactT]]") -> None:
        if parent is not None and parent.artifact is not None:
            self.stale, self.artifact, self._etag = parent.stale, parent.artifact, parent._etag
            self.retrievals, self.last_retrieved = parent.retrievals, parent.last_retrieved
            self._saved_at, self._due = parent._saved_at, parent._due

    def _take_payload(self, payload: Any) -> None:
        try:
            self.artifact = self._compile(document_of(payload))
        except InvalidArtifact as error:
            self._bad_payload = Failure(error)  # the thread says so: a subscriber is not to run here
        else:
            self._unread = None  # a copy in the cache may be older
            self._name_left_out(self.artifact)
            self._ring()
            self._tell_ready()

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
        self._inline = True
        self._log.warning("No thread may be started here: the rule artifact is downloaded once and not again")
        self._seconds = min(DOWNLOAD_SECONDS, self._settings.maximum_wait_ready)
        if self._cache is not None:
            self._cache.expected = (OSError,)  # what a signal handler raises is not to be taken for the cache's
        while not self._tried and not self._poller.stopped:
            try:
                outcome = self._errand()()
            except TargetError as error:
                outcome = Failure(error)
            self._take(outcome)

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
        return partial(downloaded, self._place, self._etag, self._compile, self._send, self._seconds)

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
        self._log.error("artifact_payload cannot be used: %s", quoted(failure.error))
        self._tell_of_failure(failure.error)
        # A client with a payload and without polling is not to touch the network.
        return 0.0 if self.interval else None

    def _take_copy(self, outcome: Outcome) -> float:
        self._unread = None
        if isinstance(outcome, Found):
            self.stale = True
            self._adopt(outcome)
            self._tell_ready()
        return 0.0

    def _take_success(self, outcome: Union[Found, Nothing]) -> Optional[float]:
        self._failures, self.last_error, self._tried = 0, None, True
        if isinstance(outcome, Found) and outcome.download is not None:
            self.retrievals += 1
            self.last_retrieved = epoch_milliseconds()
            self._adopt(outcome)
            self.stale = False
            self._tell_of(outcome.download)
            self._tell_ready()
            self._save(outcome.download)
        else:
            self.stale = False
            self._tell_ready()
            self._renew()
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
        self._log_failure(error)
        self._tell_of_failure(error)
        longest = self.interval or SHORTEST_INTERVAL
        pause = min(longest, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 20)) * self._uniform(0.5, 1)
        headers = error.headers if isinstance(error, HttpStatusError) else None
        asked = retry_after(headers.get("Retry-After")) if headers is not None else None
        return max(pause, min(asked or 0.0, longest))

    def _settle(self) -> None:
        """It is known what the first download brought."""
        self._tried = True
        self._ring()

    def _tell_of_failure(self, error: BaseException) -> None:
        self._events.emit(DOWNLOAD_FAILED, {"artifact_location": self._place.url, "error": error})

    def _adopt(self, found: Found) -> None:
        """From now on decisions are made by this one."""
        self._etag = found.etag
        self.artifact = found.artifact
        self._ring()
        self._name_left_out(found.artifact)

    def _tell_of(self, download: Download) -> None:
        self._log.debug("The rule artifact was downloaded from %s: %d bytes", self.location, len(download.body))
        if self._events.has_subscriber(DOWNLOAD_SUCCEEDED):
            # A subscriber may do with it what it likes, so it is none that decisions are made by.
            document = read_artifact(download.body, self._place.masked, self._place.organization_id)
            self._events.emit(DOWNLOAD_SUCCEEDED, {"artifact_location": self._place.url, "artifact_payload": document})
        if download.geo is not None:
            self._events.emit(GEO_UPDATED, {"geo_context": download.geo})

    def _save(self, download: Download) -> None:
        if self._cache is not None:
            self._cache.save(download.etag, download.body)
            self._saved_at = monotonic()

    def _renew(self) -> None:
        if self._cache is not None and (self._saved_at is None or monotonic() - self._saved_at > RENEWAL):
            self._cache.renew()
            self._saved_at = monotonic()

    def _ring(self) -> None:
        """Wake whoever waits."""
        for bell in list(self._waiters.values()):
            try:
                bell.release()
            except RuntimeError:  # it was rung already
                continue

    def _tell_ready(self) -> None:
        while True:
            try:
                callback = self._on_ready.popleft()  # whoever takes it tells
            except IndexError:
                return
            callback()

    def _name_left_out(self, artifact: Any) -> None:
        """Say which rules could not be compiled, once and not with each download."""
        left_out = getattr(artifact, "left_out", ())
        if left_out == self._left_out:
            return
        self._left_out = left_out
        for text in left_out[:NAMED_RULES]:
            self._log.warning("A rule of the artifact is left out: %s", quoted(text))
        if len(left_out) > NAMED_RULES:
            self._log.warning("%d further rules of the artifact are left out", len(left_out) - NAMED_RULES)

    def _log_failure(self, error: BaseException) -> None:
        then = "there is none yet" if self.artifact is None else "the last good one stays in use"
        why = quoted(error)
        if isinstance(error, HttpStatusError):
            hint = " (is on-device decisioning enabled for this client?)" if error.status == 403 else ""
            why = "{} {}{}".format(error.status, quoted(error.reason), hint)
        line = self._log.error if self.artifact is None else self._log.warning
        line("No rule artifact from %s: %s; %s", self.location, why, then)


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
        except (Exception, SystemExit):  # noqa: BLE001 - this thread is ours, and it goes on whatever happens
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
