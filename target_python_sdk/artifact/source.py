"""Downloads the rule artifact and keeps it up to date, for one client in one process.

The first artifact comes from ``artifact_payload``, from the cache or from the network, in that order. A daemon thread
then polls for newer versions. Any failure (of the server, a proxy, the artifact itself or a subscriber) costs one
polling iteration; the last good artifact stays in use.

No shared locks are taken. A new artifact replaces the old one in a single assignment.

The polling thread emits events after the artifact is in use and cached, so a slow subscriber only delays the next
download. If no thread can be started, the calling thread downloads and emits.
"""

import math
import random
import weakref
from collections import deque
from functools import partial
from typing import Any, Callable, Deque, Mapping, Optional, Tuple

from target_python_sdk.artifact.cache import open_cache
from target_python_sdk.artifact.download import DownloadedArtifact
from target_python_sdk.artifact.location import artifact_location
from target_python_sdk.artifact.report import ArtifactReporter
from target_python_sdk.artifact.update import (
    CurrentArtifact,
    PollOutcome,
    download_and_load,
    is_greenlet_exit,
    load_from_cache,
    run_safely,
)
from target_python_sdk.decisioning.artifact import Artifact, render_document
from target_python_sdk.delivery.options import ClientSettings
from target_tools.clock import epoch_milliseconds, iso_8601, monotonic
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.poller import Poller
from target_tools.concurrency.threads import in_main_thread, is_about_to_fork
from target_tools.errors import HttpStatusError, InvalidArtifact, TargetError
from target_tools.event_provider import EventProvider
from target_tools.http.messages import Send
from target_tools.http.retries import parse_retry_after
from target_tools.logger import Log

#: Seconds for one download, including retries. Allows for large artifacts on slow connections.
DOWNLOAD_TIMEOUT = 30.0
#: Seconds to wait after the first failure. Doubles with each failure, up to the polling interval.
INITIAL_RETRY_DELAY = 1.0
#: Relative random variation of the interval, so that processes do not poll at the same time.
JITTER = 0.1
#: Shortest polling interval in seconds. Loopback servers are exempt.
MIN_POLLING_INTERVAL = 300.0

#: Processes the outcome of a job. Returns the seconds until the next iteration, or None to stop.
Handler = Callable[["ArtifactSource", PollOutcome], Optional[float]]
Step = Tuple[Callable[[], PollOutcome], Handler]


class ArtifactSource:
    """Downloads, caches and polls the rule artifact. Does nothing until ``start`` is called.

    ``inherited`` is the source of the parent process after a fork; its artifact is used until this process has
    downloaded one. Raises ``OptionError`` if ``artifact_location`` or the cache path is invalid.
    """

    def __init__(  # noqa: PLR0917 - the parts of a Runtime
        self,
        settings: ClientSettings,
        load_artifact: Callable[[bytes], Artifact],
        send: Send,
        log: Log,
        events: EventProvider,
        inherited: "Optional[ArtifactSource]" = None,
    ) -> None:
        self._settings = settings
        self._load = load_artifact
        self._send = send
        self._log = log
        self._location = artifact_location(settings, log)
        self._report = ArtifactReporter(settings.client, self._location, events, log)
        #: The artifact's URL without credentials and query.
        self.shown_url = self._location.parsed_url.redacted
        #: Advice to add to the error of a failed download. Usually empty.
        self.hint = self._location.hint
        #: Seconds between two downloads; 0 downloads only once.
        self.interval = settings.polling_interval
        if self.interval and not self._location.parsed_url.is_loopback:
            self.interval = max(self.interval, MIN_POLLING_INTERVAL)
        #: The artifact in use. Replaced as a whole, so that other threads never see half an update.
        self.current: Optional[CurrentArtifact] = None
        self.retrievals = 0
        #: When the last artifact was downloaded, in milliseconds since 1970.
        self.last_retrieved: Optional[float] = None
        #: Monotonic time at which the server last sent the artifact or confirmed it.
        self.confirmed_at: Optional[float] = None
        #: 1 if ``artifact_payload`` was used. Traces count it as a retrieval, as in 1.1.0.
        self._used_payloads = 0
        #: The error of the last download without its traceback, or None if it succeeded.
        self.last_error: Optional[BaseException] = None
        #: Monotonic time of the next iteration.
        self._due: Optional[float] = None
        self._cache = open_cache(settings, self._location, log)
        self._parent = inherited
        self._inherit(inherited)
        #: The cache until it has been read, then None.
        self._unread_cache = self._cache if self.artifact is None else None
        #: Called with each new artifact from the network or from a file.
        self.record_download: Callable[[DownloadedArtifact], object] = lambda download: None
        #: Why ``artifact_payload`` is invalid, until that has been reported.
        self._payload_error: Optional[InvalidArtifact] = None
        #: Runs a download, and passes its outcome to the observers; None without observers.
        self.observe_download: Optional[Callable[[Callable[[Send], PollOutcome], Send], PollOutcome]] = None
        self._failures = 0
        self._started = False
        #: Monotonic time of the next attempt to start a thread; None unless an earlier attempt failed.
        self._next_thread_start: Optional[float] = None
        #: Set when waiting for the first artifact is useless: it is there, the first download failed, or polling ended.
        self._first_attempt_done = Latch()
        self._ready_callbacks: Deque[Callable[[], object]] = deque()
        # Not the module-level generator, whose state forked children share.
        self._uniform = random.SystemRandom().uniform
        self._poller = Poller(_poll_function(weakref.ref(self), log), f"target-{settings.client}-artifact")
        # Stop the thread when the source is garbage-collected, or at exit.
        weakref.finalize(self, self._poller.stop)

    @property
    def artifact(self) -> Optional[Artifact]:
        """The artifact in use, or None."""
        return None if self.current is None else self.current.artifact

    @property
    def stale(self) -> bool:
        """True if the artifact comes from the cache and no download has confirmed it yet."""
        return self.current is not None and self.current.stale

    @property
    def polling_halted(self) -> bool:
        """True if polling is off or was stopped, or no thread could be started for it yet."""
        return not self.interval or self._next_thread_start is not None or self._poller.stopped

    def trace_details(self) -> Mapping[str, Any]:
        """Return the artifact's part of a trace."""
        is_payload = self._settings.artifact_payload is not None and not self.retrievals
        return {
            "artifactLocation": "Not Applicable" if is_payload else self.shown_url,
            "pollingInterval": int(self.interval * 1000),
            "pollingHalted": self.polling_halted,
            "artifactRetrievalCount": self.retrievals + self._used_payloads,
            "artifactLastRetrieved": None if self.last_retrieved is None else iso_8601(self.last_retrieved),
        }

    def start(self) -> None:
        """Start polling. Safe to call repeatedly.

        If no thread can be started, tries again at most once per second.
        """
        if self._started or self._poller.stopped:
            return
        is_retry = self._next_thread_start is not None
        if self._next_thread_start is not None:
            now = monotonic()
            if now < self._next_thread_start:
                return
            self._next_thread_start = now + INITIAL_RETRY_DELAY
        elif self.artifact is None and self._settings.artifact_payload is not None:
            self._use_payload(self._settings.artifact_payload)
        if self._needs_no_download() or self._poller.start(self._initial_delay()):
            self._next_thread_start = None
            self._started = True  # last, because a signal handler may raise during the start
        elif not is_retry:
            self._download_inline()

    def stop(self) -> None:
        """Stop polling and wake all waiting threads. The artifact stays in use."""
        self._poller.stop()
        self._first_attempt_done.set()

    def wait(self, seconds: float) -> bool:
        """Wait until an artifact is available, and return whether it is.

        Returns early when the first download has failed; a later one may still succeed.
        """
        if self.artifact is None:
            self._first_attempt_done.wait(seconds)
        return self.artifact is not None

    def on_ready(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once an artifact is available: immediately, or later in the polling thread."""
        self._ready_callbacks.append(callback)
        if self.artifact is not None:
            self._run_ready_callbacks()

    # In the caller's thread

    def _inherit(self, parent: "Optional[ArtifactSource]") -> None:
        """Take over the parent process's artifact."""
        if parent is not None and parent.current is not None:
            self.current = parent.current
            self.retrievals, self.last_retrieved = parent.retrievals, parent.last_retrieved
            self._used_payloads, self.confirmed_at = parent._used_payloads, parent.confirmed_at
            self._due = parent._due
            if self._cache is not None and parent._cache is not None:
                self._cache.saved_at = parent._cache.saved_at

    def _use_payload(self, payload: Mapping[str, Any]) -> None:
        try:
            artifact = self._load(render_document(payload))
        except InvalidArtifact as error:
            self._payload_error = error  # the polling thread reports it, because subscribers must not run here
        else:
            self.current = CurrentArtifact(artifact)
            self._used_payloads, self.last_retrieved = 1, epoch_milliseconds()
            self.confirmed_at = monotonic()
            self._unread_cache = None  # a cached artifact may be older
            self._due = monotonic() + self.interval
            self._report.use_of(artifact)
            self._first_attempt_done.set()
            self._run_ready_callbacks()

    def _needs_no_download(self) -> bool:
        """Return whether polling is off and the artifact is up to date."""
        return not self.interval and self.artifact is not None and not self.stale

    def _initial_delay(self) -> float:
        """Return the seconds until the first download: 0, or slightly less than the time left until ``_due``.

        ``_due`` is set if there is an artifact from a parent process or from the payload.
        """
        if self._due is None or self.stale:
            return 0.0
        # The jitter also spreads the downloads of forked children that are all overdue.
        shortest = min(INITIAL_RETRY_DELAY, self.interval * JITTER)
        return max(self._due - monotonic(), shortest) * self._uniform(1 - 2 * JITTER, 1)

    def _download_inline(self) -> None:
        """Download once in the calling thread, because no thread can be started."""
        self._next_thread_start = math.inf
        # A server that is about to fork needs no warning: its workers will poll.
        log = self._log.debug if is_about_to_fork() else self._log.warning
        log("Cannot start a thread; the rule artifact will not be updated until one can be started")
        if self._cache is not None:
            self._cache.interruptible = in_main_thread()
        try:
            if self._due is None:
                self.update()
        finally:
            if self._cache is not None:
                self._cache.interruptible = False
            self._next_thread_start = monotonic() + INITIAL_RETRY_DELAY

    def update(self) -> None:
        """Read an unread cache and download once, in this thread. Report a failure as the polling thread does."""
        timeout = min(DOWNLOAD_TIMEOUT, self._settings.maximum_wait_ready)
        delay: Optional[float] = 0.0
        while delay == 0.0 and not self._poller.stopped:
            job, handle = self._next_step(timeout)
            try:
                outcome = job()
            except TargetError as error:
                outcome = PollOutcome(error=error)
            delay = handle(self, outcome)

    # In the polling thread

    def _next_step(self, timeout: float) -> Step:
        """Return the job of this iteration, and the method that handles its outcome. Neither refers to the source."""
        if self._payload_error is not None:
            return partial(PollOutcome, error=self._payload_error), ArtifactSource._handle_invalid_payload
        if self._unread_cache is not None:
            job = partial(load_from_cache, self._unread_cache, self._location, self._load, self._log)
            return job, ArtifactSource._handle_cached
        deadline = partial(self._poller.scope.deadline, timeout)
        etag = None if self.current is None else self.current.etag
        job = partial(download_and_load, self._location, etag, self._load, deadline)
        if self.observe_download is None:
            return partial(job, self._send), ArtifactSource._handle_download
        return partial(self.observe_download, job, self._send), ArtifactSource._handle_download

    def _handle_download(self, outcome: PollOutcome) -> Optional[float]:
        try:
            delay = self._handle_success(outcome) if outcome.error is None else self._handle_failure(outcome.error)
            self._due = None if delay is None else monotonic() + delay
        finally:
            outcome.pass_on()
        return delay

    def _handle_invalid_payload(self, outcome: PollOutcome) -> Optional[float]:
        error, self._payload_error = outcome.error, None
        assert error is not None
        self.last_error = error
        if not self.interval:
            self._first_attempt_done.set()
        self._report.invalid_payload(error)
        # A client with a payload and no polling must not use the network.
        return 0.0 if self.interval else None

    def _handle_cached(self, outcome: PollOutcome) -> float:
        self._unread_cache = None
        if outcome.current is not None:
            self._activate(outcome.current)
            self._run_ready_callbacks()
        return 0.0

    def _handle_success(self, outcome: PollOutcome) -> Optional[float]:
        download = outcome.download
        if download is not None:  # first, because a caller that waits for the artifact may close the client
            self.record_download(download)
        if outcome.current is None:
            assert self.current is not None  # it has the ETag that the server confirmed
            self.current = self.current._replace(stale=False)
        else:
            self.retrievals += 1
            self.last_retrieved = epoch_milliseconds()
            self._activate(outcome.current)
        self._failures, self.last_error, self.confirmed_at = 0, None, monotonic()
        self._run_ready_callbacks()
        if self._cache is not None:
            if download is None:
                self._cache.renew()
            else:
                self._cache.save(download.etag, download.body)
        if download is not None:
            self._report.success(download)  # last, because a subscriber may raise or block
        return self._delay()

    def _delay(self) -> Optional[float]:
        """Return the regular delay until the next iteration, with jitter, or None if there is no next one."""
        if self._needs_no_download():
            return None
        return (self.interval or MIN_POLLING_INTERVAL) * self._uniform(1 - JITTER, 1 + JITTER)

    def _handle_failure(self, error: BaseException) -> float:
        self._failures += 1
        self.last_error = error
        self._first_attempt_done.set()
        self._report.failure(error, has_artifact=self.artifact is not None)
        longest = self.interval or MIN_POLLING_INTERVAL
        delay = min(longest, INITIAL_RETRY_DELAY * 2.0 ** min(self._failures - 1, 20)) * self._uniform(0.5, 1)
        headers = error.headers if isinstance(error, HttpStatusError) else None
        requested = None if headers is None else parse_retry_after(headers.get("Retry-After"))
        return max(delay, min(requested or 0.0, longest))

    def _activate(self, current: CurrentArtifact) -> None:
        """Start deciding with ``current``."""
        if self.artifact is not None:
            current.artifact.prepare(self.artifact)
        self.current = current
        self._first_attempt_done.set()
        self._release_parents()
        self._report.use_of(current.artifact)

    def _release_parents(self) -> None:
        """Drop the artifacts of parent processes, because this process has its own."""
        parent, self._parent = self._parent, None
        while parent is not None and not parent._poller.created_in_this_process():
            parent.current = None
            grandparent, parent._parent = parent._parent, None
            parent = grandparent

    def _run_ready_callbacks(self) -> None:
        """Call each callback of ``on_ready`` once, even if several threads do this at the same time."""
        while True:
            try:
                callback = self._ready_callbacks.popleft()
            except IndexError:
                return
            callback()


def _poll_function(reference: "weakref.ref[ArtifactSource]", log: Log) -> Callable[[], Optional[float]]:
    """Return the function that the poller calls. It holds only a weak reference to the source during a download."""

    def poll() -> Optional[float]:
        source = reference()
        if source is None:
            return None
        try:
            job, handle = source._next_step(DOWNLOAD_TIMEOUT)
            del source
            return _handle_outcome(reference, handle, run_safely(job, log))
        except BaseException as error:  # the polling thread must survive any exception
            if is_greenlet_exit(error):
                raise
            log.exception_safely("Unexpected error while polling the rule artifact; polling continues")
        source = reference()
        return None if source is None else source._delay()

    return poll


def _handle_outcome(reference: "weakref.ref[ArtifactSource]", handle: Handler, outcome: PollOutcome) -> Optional[float]:
    """Pass ``outcome`` to the source, or only to observers if the source has stopped or does not exist any more.

    A separate function, because an exception's traceback references the frame that it was raised in. A local variable
    of that frame would keep the source alive.
    """
    source = reference()
    if source is None or source._poller.stopped:
        outcome.pass_on()
        return None
    return handle(source, outcome)
