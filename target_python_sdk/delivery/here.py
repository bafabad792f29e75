"""What a call needs to be decided in this process."""

from typing import NamedTuple

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.engine import EngineContext
from target_python_sdk.delivery.geo import GeoService


class Here(NamedTuple):
    """What is the same for all calls of a client."""

    situation: EngineContext
    geo_service: GeoService


class Newest(NamedTuple):
    """The newest artifact, as a call finds it."""

    artifact: Artifact
    #: Whether it is a copy that no download has confirmed yet.
    stale: bool
