"""Loads the rules to inspect, from a file of activities or from a rule artifact."""

from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional, Union

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.inspection.traffic import VisitorAttributes
from target_python_sdk.local_edge.activities import Activities, open_document, parse_activities
from target_python_sdk.local_edge.artifact_builder import build_artifact
from target_python_sdk.local_edge.validation import JsonValue, check_text, error_at
from target_python_sdk.types import Geo
from target_tools.errors import InvalidArtifact

#: The client code for an artifact that does not name one. The examples use the same code.
DEFAULT_CLIENT = "acmeclient"


class RuleSet(NamedTuple):
    """The rules of a client."""

    #: The client code, which the buckets depend on.
    client: str
    #: The rules. If the source is a file of activities, they include the activities that only the edge decides.
    artifact: Artifact
    #: None if the source is a rule artifact.
    activities: Optional[Activities]

    def attributes(self, visitor: VisitorAttributes) -> VisitorAttributes:
        """Return ``visitor`` with the location from the activities file, unless the visitor already has one."""
        geo = self.geo
        return visitor._replace(geo=Geo.from_dict(dict(geo))) if geo and visitor.geo is None else visitor

    @property
    def geo(self) -> Mapping[str, Any]:
        """The location that the activities file gives to every visitor; empty if it gives none."""
        return {} if self.activities is None else self.activities.geo


def is_artifact(document: JsonValue) -> bool:
    """Return whether ``document`` is a rule artifact, and not a file of activities."""
    return isinstance(document, Mapping) and "rules" in document and "activities" not in document


def read_rules(source: Union[str, Path, Mapping[str, Any]], client: Optional[str] = None) -> RuleSet:
    """Read activities or a rule artifact, as a mapping or from a JSON file.

    :param client: The client code, instead of the one in the source.

    Raises ``OptionError``, which names the place in the source.
    """
    with open_document(source) as document:
        if is_artifact(document):
            meta = document.get("meta")
            own = meta.get("clientCode") if isinstance(meta, Mapping) else None
            code = check_text(client or own or DEFAULT_CLIENT, "meta.clientCode")
            return RuleSet(code, _compile(document, code), None)
        activities = parse_activities(document)
        code = client or activities.client
        return RuleSet(code, _compile(build_artifact(activities, include_remote=True), code), activities)


def _compile(document: Mapping[str, Any], client: str) -> Artifact:
    try:
        return Artifact.compile(document, client)
    except InvalidArtifact as error:
        raise error_at("", "a rule artifact", problem=f"not a rule artifact: {error}") from error
