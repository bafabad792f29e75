"""What a call needs to be decided in this process."""

from typing import Any, Callable, Mapping, NamedTuple, Optional

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.geo import GeoService
from target_tools.logger import Log


class Local(NamedTuple):
    """The newest artifact, as a call finds it, and what belongs to it."""

    artifact: Optional[Artifact]
    #: Whether the artifact is a copy that no download has confirmed yet.
    stale: bool
    geo_service: GeoService
    #: What a trace tells of the download.
    retrieval: Callable[[], Mapping[str, Any]]
    log: Log
