"""What the thread that keeps a rule artifact new does in one turn, and what that brings.

None of it knows the source that it is done for: that may be collected while the network is waited for.
"""

from collections import deque
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Sequence, Union

from target_python_sdk.artifact.address import address_of
from target_python_sdk.artifact.cache import ArtifactCache
from target_python_sdk.artifact.download import (
    ArtifactPlace,
    Download,
    artifact_download,
    artifact_url,
    is_masked,
    usable_etag,
)
from target_python_sdk.artifact.format import read_artifact
from target_python_sdk.delivery.options import ClientSettings
from target_tools.clock import Deadline
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.threads import is_about_to_fork
from target_tools.errors import HttpStatusError, InvalidArtifact, TargetError, escape_text
from target_tools.http.messages import Send
from target_tools.http.retries import parse_retry_after
from target_tools.logger import Log

#: The shortest interval, in seconds, except on loopback: artifacts change by the minute at most.
SHORTEST_INTERVAL = 300.0
#: How many rules that were left out the log names.
NAMED_RULES = 20


class Found(NamedTuple):
    """An artifact that can be used, from the network or the cache."""

    artifact: Any
    etag: Optional[str]
    #: None: it is from the cache.
    download: Optional[Download]


class Kept(NamedTuple):
    """What decisions are made by.  One thing, as a process that is forked in between takes over all of it or none."""

    artifact: Any = None
    etag: Optional[str] = None
    #: Whether it came from the cache and no download has confirmed it yet.
    stale: bool = False


class Failure(NamedTuple):
    """A download, or a payload, that brought nothing."""

    error: BaseException


class Nothing(NamedTuple):
    """The cache has no copy, or the newest artifact is here already."""


Outcome = Union[Found, Failure, Nothing]


def survived(errand: Callable[[], Outcome], log: Log) -> Outcome:
    """What ``errand`` brought, in a thread where nothing but it can raise: signal handlers run in the main one."""
    try:
        return errand()
    except TargetError as error:
        return Failure(error)
    except BaseException as error:  # a compiler or somebody's pool may raise anything
        if ends_a_greenlet(error):
            raise
        say(log, "The download of the rule artifact failed unexpectedly")
        return Failure(error)


def ends_a_greenlet(error: BaseException) -> bool:
    """Whether ``error`` ends the greenlet that is our thread, which is none of our business to go on in."""
    return any(kind.__name__ == "GreenletExit" for kind in type(error).__mro__)


def without_traces(error: BaseException) -> None:
    """Let ``error`` and what it came from hold no frames: an artifact that cannot be used is in them."""
    known: List[BaseException] = []
    cause: Optional[BaseException] = error
    while cause is not None and cause not in known:
        known.append(cause)
        cause.__traceback__ = cause.__context__ = None
        cause = cause.__cause__


def say(log: Log, message: str) -> None:
    """Write an error line with the traceback, whatever the logger does."""
    try:
        log.exception(message)
    except Exception:  # noqa: BLE001 - a logger that raises has nobody to tell
        return


class Waiters:
    """Who waits for the first artifact: threads, each on its own latch, and callbacks."""

    def __init__(self) -> None:
        self._latches: Dict[int, Latch] = {}
        self._callbacks: Deque[Callable[[], object]] = deque()

    def __len__(self) -> int:
        return len(self._latches)

    def wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        """Come back when somebody rings, or after so many seconds; at once where the waiting is over."""
        latch = Latch()
        try:
            self._latches[id(latch)] = latch
            if not is_over():
                latch.wait(seconds)
        finally:
            self._latches.pop(id(latch), None)

    def ring(self) -> None:
        """Wake whoever waits."""
        for latch in list(self._latches.values()):
            latch.set()

    def add(self, callback: Callable[[], object]) -> None:
        """Let ``callback`` be told."""
        self._callbacks.append(callback)

    def tell(self) -> None:
        """Call each callback, once."""
        while True:
            try:
                callback = self._callbacks.popleft()  # whoever takes it tells
            except IndexError:
                return
            callback()


def log_failure(log: Log, location: str, error: BaseException, has_one: bool) -> None:
    """Say that a download failed; ``has_one`` says that decisions go on by an older one."""
    why = escape_text(error)
    if isinstance(error, HttpStatusError):
        hint = " (is on-device decisioning enabled for this client?)" if error.status == 403 else ""
        why = "{} {}{}".format(error.status, escape_text(error.reason), hint)
    line, then = log.error, "there is none yet"
    if has_one:
        line, then = log.warning, "the last good one stays in use"
    line("No rule artifact from %s: %s; %s", location, why, then)


def log_single_download(log: Log) -> None:
    """Say that no thread polls.  A server that is about to fork need not hear of it: its workers will poll."""
    line = log.debug if is_about_to_fork() else log.warning
    line("No thread may be started here: until one may, the rule artifact is downloaded only once")


def patience_asked(error: BaseException) -> float:
    """Seconds that the server asks for before it is asked again; 0: it does not."""
    headers = error.headers if isinstance(error, HttpStatusError) else None
    return 0.0 if headers is None else parse_retry_after(headers.get("Retry-After")) or 0.0


class LeftOut:
    """Says which rules could not be compiled, once and not with each download."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._said: Sequence[str] = ()

    def name(self, artifact: Any) -> None:
        """Say it of ``artifact``."""
        skipped: Sequence[str] = getattr(artifact, "skipped_rules", ())
        if skipped == self._said:
            return
        self._said = skipped
        for text in skipped[:NAMED_RULES]:
            self._log.warning("A rule of the artifact is left out: %s", escape_text(text))
        if len(skipped) > NAMED_RULES:
            self._log.warning("%d further rules of the artifact are left out", len(skipped) - NAMED_RULES)


def as_it_is(outcome: Outcome) -> Outcome:
    """What was known before the turn."""
    return outcome


def cached(cache: ArtifactCache, place: ArtifactPlace, compile_artifact: Callable[[Any], Any], log: Log) -> Outcome:
    """The artifact that the cache has a copy of."""
    copy = cache.load()
    if copy is None:
        return Nothing()
    try:
        artifact = compile_artifact(read_artifact(copy.body, place.masked, place.organization_id))
    except InvalidArtifact as error:
        log.warning("What artifact_cache holds is not used: %s", error)
        return Nothing()
    return Found(artifact, usable_etag(copy.etag), None)


def downloaded(
    place: ArtifactPlace,
    etag: Optional[str],
    compile_artifact: Callable[[Any], Any],
    send: Send,
    deadline: Callable[[], Deadline],
) -> Outcome:
    """The artifact from the network, if it is a newer one.  Raises TargetError."""
    download = artifact_download(place, etag, send, deadline())
    if download is None:
        return Nothing()
    return Found(compile_artifact(download.document), download.etag, download)


def artifact_place(settings: ClientSettings, log: Log) -> ArtifactPlace:
    """Where the artifact of a client is."""
    given = settings.artifact_location
    masked = is_masked(settings.artifact_format, given)
    url = given or artifact_url(
        client=settings.client,
        environment=settings.environment,
        property_token=settings.property_token,
        masked=masked,
        cdn_base_path=settings.cdn_base_path,
        secure=settings.secure,
    )
    address = address_of(url, "artifact_location" if given else "cdn_base_path")
    if settings.secure and address.origin.scheme == "http" and not address.is_loopback:
        log.warning("The rule artifact comes over plain http: anybody on the way can change what visitors are shown")
    limit = settings.max_response_bytes.artifact
    return ArtifactPlace(address, url, masked, settings.organization_id, limit, settings.artifact_bypass_cache)


def polling_interval(settings: ClientSettings, place: ArtifactPlace) -> float:
    """Seconds between two downloads; 0: there is only the first."""
    asked = settings.polling_interval
    return asked if not asked or place.address.is_loopback else max(asked, SHORTEST_INTERVAL)


def cache_of(settings: ClientSettings, place: ArtifactPlace, log: Log) -> Optional[ArtifactCache]:
    """Where copies are kept, if anywhere; nobody else's are found there."""
    if settings.artifact_cache is None:
        return None
    owner = "\n".join((settings.client, settings.organization_id, str(place.masked), place.url))
    return ArtifactCache(settings.artifact_cache, owner, place.max_bytes, log)
