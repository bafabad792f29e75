"""The content of a local edge: activities or a rule artifact, and the artifact files for clients."""

import hashlib
import json
from logging import getLogger
from typing import Any, List, Mapping, NamedTuple, Optional

from target_python_sdk.artifact.format import obfuscate
from target_python_sdk.local_edge.activities import (
    Activities,
    ActivitiesSource,
    parse_activities,
    parse_geo,
    prefix_errors_with,
    read_document,
)
from target_python_sdk.local_edge.artifact_builder import build_artifact, compile_edge_artifact
from target_python_sdk.local_edge.events import events_by_token
from target_python_sdk.local_edge.validation import Json, JsonValue, check_object, check_text

logger = getLogger("adobe.target.local_edge")


class ArtifactFile(NamedTuple):
    """A file to serve; files with different bytes have a different ``etag``."""

    body: bytes
    content_type: str
    etag: str

    def matches_etag(self, if_none_match: Optional[str]) -> bool:
        """Return whether a client that sends this ``If-None-Match`` already has the file."""
        tags = [tag.strip() for tag in (if_none_match or "").split(",")]
        return "*" in tags or self.etag in [tag[2:] if tag.startswith("W/") else tag for tag in tags]


def _artifact_file(body: bytes, content_type: str) -> ArtifactFile:
    return ArtifactFile(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


class EdgeContent:
    """Content loaded from one source. It never changes; to serve another source, an edge replaces it.

    ``client`` and ``geo``, if given, override those of the source.
    """

    def __init__(
        self,
        source: ActivitiesSource,
        organization_id: str,
        geo: Optional[Mapping[str, Any]] = None,
        client: Optional[str] = None,
    ) -> None:
        overrides: Json = {
            **({} if client is None else {"client": check_text(client, "client")}),
            **({} if geo is None else {"geo": parse_geo(geo)}),
        }
        document = read_document(source)
        with prefix_errors_with(source):
            if is_artifact(document):
                activities, rules, edge_rules = None, document, document
                code = check_object(document.get("meta") or {}, "meta").get("clientCode", "acmeclient")
                settings = {"client": check_text(code, "meta.clientCode"), "geo": {}, **overrides}
            else:
                activities = parse_activities(document)._replace(**overrides)
                rules, edge_rules = build_artifact(activities), build_artifact(activities, include_remote=True)
                settings = {"client": activities.client, "geo": activities.geo}
            self.client: str = settings["client"]
            self.geo: Mapping[str, Any] = settings["geo"]
            #: The artifact that the edge decides with.
            self.artifact = compile_edge_artifact(edge_rules, self.client)
        #: None if the source is a rule artifact.
        self.activities: Optional[Activities] = activities
        #: The artifact for clients.
        self.rules: Json = rules
        for reason in self.artifact.skipped_rules:
            logger.warning("Skipped a rule: %s", reason)
        #: The events that clients can report.
        self.events = events_by_token(self.artifact)
        body = json.dumps(self.rules, separators=(",", ":")).encode("ascii")
        self.json = _artifact_file(body, "application/json;charset=UTF-8")
        self.bin = _artifact_file(obfuscate(body, organization_id), "application/octet-stream")

    def summary_lines(self) -> List[str]:
        """Return one line for each activity, or for each location of a rule artifact."""
        if self.activities is None:
            mboxes, views = self.artifact.mboxes, self.artifact.views
            lines = [f"{name}: {len(rules)} rules" for name, rules in mboxes.items()]
            return [*lines, *(f"view {name}: {len(rules)} rules" for name, rules in views.items())]
        lines = []
        for activity in self.activities.activities:
            where = ", ".join(activity.locations + tuple(f"view {name}" for name in activity.views))
            shares = ", ".join(f"{experience.name} {experience.range}" for experience in activity.experiences)
            remote = ", decided by the edge only" if activity.is_remote else ""
            lines.append(f"{activity.id} {activity.name}: {where} ({shares}){remote}")
        return lines


def is_artifact(document: JsonValue) -> bool:
    """Return whether the document is a rule artifact and not a file of activities."""
    return isinstance(document, Mapping) and "rules" in document and "version" in document
