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
        if client is not None:
            check_text(client, "client")
        document = read_document(source)
        with prefix_errors_with(source):
            #: None if the source is a rule artifact.
            self.activities: Optional[Activities] = None
            if is_artifact(document):
                self._load_artifact(document, geo, client)
            else:
                self._load_activities(parse_activities(document), geo, client)
        body = json.dumps(self.rules, separators=(",", ":")).encode("ascii")
        self.json = _artifact_file(body, "application/json;charset=UTF-8")
        self.bin = _artifact_file(obfuscate(body, organization_id), "application/octet-stream")

    def _load_artifact(self, document: Json, geo: Optional[Mapping[str, Any]], client: Optional[str]) -> None:
        meta = check_object(document.get("meta") or {}, "meta")
        self.client = client or check_text(meta.get("clientCode", "acmeclient"), "meta.clientCode")
        self.geo = parse_geo(geo)
        #: The artifact for clients, and the one that the edge decides with.
        self.rules, self.artifact = document, compile_edge_artifact(document, self.client)
        for reason in self.artifact.skipped_rules:
            logger.warning("Skipped a rule: %s", reason)

    def _load_activities(self, activities: Activities, geo: Optional[Mapping[str, Any]], client: Optional[str]) -> None:
        activities = activities._replace(client=client or activities.client)
        if geo is not None:
            activities = activities._replace(geo=parse_geo(geo))
        self.activities, self.client, self.geo = activities, activities.client, dict(activities.geo)
        self.rules = build_artifact(activities)
        self.artifact = compile_edge_artifact(build_artifact(activities, include_remote=True), self.client)

    def summary_lines(self) -> List[str]:
        """Return one line for each activity, or for each location of a rule artifact."""
        if self.activities is None:
            return _summarize_rules(self.rules)
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


def _summarize_rules(artifact: Json) -> List[str]:
    lines = []
    for kind, prefix in (("mboxes", ""), ("views", "view ")):
        rules = check_object(check_object(artifact["rules"], "rules").get(kind) or {}, f"rules.{kind}")
        lines += [f"{prefix}{name}: {len(found or ())} rules" for name, found in rules.items()]
    return lines
