"""One polling iteration: get an artifact from the network or the cache, and load it.

These functions hold no reference to the ``ArtifactSource``, so that it can be garbage-collected during a download.
"""

from typing import Callable, List, NamedTuple, Optional

from target_python_sdk.artifact.cache import ArtifactCache
from target_python_sdk.artifact.download import DownloadedArtifact, fetch_artifact, usable_etag
from target_python_sdk.artifact.format import artifact_text
from target_python_sdk.artifact.location import ArtifactLocation
from target_python_sdk.decisioning.artifact import Artifact
from target_tools.clock import Deadline
from target_tools.concurrency.tasks import noop
from target_tools.errors import InvalidArtifact, TargetError
from target_tools.http.messages import Send
from target_tools.logger import Log


class CurrentArtifact(NamedTuple):
    """The artifact in use, with its ETag. Immutable, so that a process forked at any moment has a consistent value."""

    artifact: Artifact
    etag: Optional[str] = None
    #: Whether it comes from the cache and no download has confirmed it yet.
    stale: bool = False


class PollOutcome(NamedTuple):
    """The result of one iteration.

    ``current``, ``download`` and ``error`` are None if there is no newer artifact, or no usable cached one.
    """

    current: Optional[CurrentArtifact] = None
    #: The download that ``current`` was loaded from; None if it comes from the cache.
    download: Optional[DownloadedArtifact] = None
    error: Optional[BaseException] = None
    #: Called when the outcome has taken effect: it passes the download on to the observers of the application.
    pass_on: Callable[[], object] = noop


def load_from_cache(
    cache: ArtifactCache, location: ArtifactLocation, load_artifact: Callable[[bytes], Artifact], log: Log
) -> PollOutcome:
    """Load the cached artifact."""
    cached = cache.load()
    if cached is None:
        return PollOutcome()
    try:
        artifact = load_artifact(artifact_text(cached.body, location.obfuscated, location.organization_id))
    except InvalidArtifact as error:
        log.warning("Ignoring the cached rule artifact: %s", error)
        return PollOutcome()
    return PollOutcome(CurrentArtifact(artifact, usable_etag(cached.etag), stale=True))


def download_and_load(
    location: ArtifactLocation,
    etag: Optional[str],
    load_artifact: Callable[[bytes], Artifact],
    deadline: Callable[[], Deadline],
    send: Send,
) -> PollOutcome:
    """Download and load the artifact, if it has changed. Raises ``TargetError``."""
    download = fetch_artifact(location, etag, load_artifact, send, deadline())
    if download is None:
        return PollOutcome()
    return PollOutcome(CurrentArtifact(download.artifact, download.etag), download)


def run_safely(job: Callable[[], PollOutcome], log: Log) -> PollOutcome:
    """Run ``job`` and return its outcome, with any exception as its error.

    For background threads only: in the main thread, the exception could come from a signal handler.
    """
    try:
        return job()
    except TargetError as error:
        return PollOutcome(error=error)
    except BaseException as error:  # the compiler or a custom pool manager may raise anything
        if is_greenlet_exit(error):
            raise
        log.exception_safely("Unexpected error while downloading the rule artifact")
        return PollOutcome(error=error)


def is_greenlet_exit(error: BaseException) -> bool:
    """Return whether ``error`` is a ``GreenletExit``, which must be re-raised."""
    return any(kind.__name__ == "GreenletExit" for kind in type(error).__mro__)


def drop_tracebacks(error: BaseException) -> None:
    """Remove the tracebacks of ``error`` and its causes. Their frames would keep large objects in memory."""
    seen: List[BaseException] = []
    cause: Optional[BaseException] = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        cause.__traceback__ = cause.__context__ = None
        cause = cause.__cause__
