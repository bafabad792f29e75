"""What the thread that keeps a rule artifact new does in one turn, and what that brings.

None of it knows the source that it is done for: that may be collected while the network is waited for.
"""

from typing import Any, Callable, NamedTuple, Optional, Union

from target_python_sdk.artifact_cache import ArtifactCache
from target_python_sdk.decisioning.artifact_flow import (
    ArtifactPlace,
    Download,
    artifact_download,
    artifact_url,
    is_masked,
    usable_etag,
)
from target_python_sdk.decisioning.artifact_format import read_artifact
from target_python_sdk.decisioning.cdn import address_of
from target_python_sdk.delivery.options import ClientSettings
from target_tools.clock import Deadline
from target_tools.errors import InvalidArtifact, TargetError
from target_tools.flow import Send, run
from target_tools.logger import Log

#: The shortest interval, in seconds, except on loopback: artifacts change by the minute at most.
SHORTEST_INTERVAL = 300.0


class Found(NamedTuple):
    """An artifact that can be used, from the network or the cache."""

    artifact: Any
    etag: Optional[str]
    #: None: it is from the cache.
    download: Optional[Download]


class Failure(NamedTuple):
    """A download, or a payload, that brought nothing."""

    error: BaseException


class Nothing(NamedTuple):
    """The cache has no copy, or the newest artifact is here already."""

    is_newest: bool


Outcome = Union[Found, Failure, Nothing]


def survived(errand: Callable[[], Outcome], log: Log) -> Outcome:
    """What ``errand`` brought, in a thread where nothing but it can raise: signal handlers run in the main one."""
    try:
        return errand()
    except TargetError as error:
        return Failure(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a compiler or somebody's pool may raise anything
        say(log, "The download of the rule artifact failed unexpectedly")
        return Failure(error)


def say(log: Log, message: str) -> None:
    """Write an error line with the traceback, whatever the logger does."""
    try:
        log.exception(message)
    except Exception:  # noqa: BLE001 - a logger that raises has nobody to tell
        return


def as_it_is(outcome: Outcome) -> Outcome:
    """What was known before the turn."""
    return outcome


def cached(
    cache: ArtifactCache, place: ArtifactPlace, compile_artifact: Callable[[Any], Any], log: Log
) -> Outcome:
    """The artifact that the cache has a copy of."""
    copy = cache.load()
    if copy is None:
        return Nothing(is_newest=False)
    try:
        artifact = compile_artifact(read_artifact(copy.body, place.masked, place.organization_id))
    except InvalidArtifact as error:
        log.warning("What artifact_cache holds is not used: %s", error)
        return Nothing(is_newest=False)
    return Found(artifact, usable_etag(copy.etag), None)


def downloaded(
    place: ArtifactPlace, etag: Optional[str], compile_artifact: Callable[[Any], Any], send: Send, seconds: float
) -> Outcome:
    """The artifact from the network, if it is a newer one.  Raises TargetError."""
    download = run(artifact_download(place, etag), send, Deadline.after(seconds))
    if download is None:
        return Nothing(is_newest=True)
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
    return ArtifactPlace(address, url, masked, settings.organization_id, limit)


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
