"""The content of a local edge: activities or a rule artifact, and the artifact files for clients."""

import json
from logging import getLogger
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional

from target_python_sdk.artifact.format import obfuscate
from target_python_sdk.decisioning.audience_check import Finding
from target_python_sdk.local_edge.activities import (
    Activities,
    ActivitiesSource,
    open_document,
    parse_activities,
    parse_geo,
)
from target_python_sdk.local_edge.artifact_builder import build_artifact, compile_edge_artifact
from target_python_sdk.local_edge.events import events_by_token
from target_python_sdk.local_edge.validation import Json, check_object, check_text
from target_tools.errors import escape_text
from target_tools.logger import Log

logger = getLogger("adobe.target.local_edge")

#: The maximum number of mistakes in audiences that are logged.
_MAX_LOGGED = 20


class EdgeContent:
    """The content of one source. It never changes: to serve another source, an edge replaces the whole content.

    ``client`` and ``geo``, if given, override those in the source.
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
        with open_document(source) as document:
            is_artifact = isinstance(document, Mapping) and "rules" in document and "version" in document
            if is_artifact:
                code = check_object(document.get("meta") or {}, "meta").get("clientCode", "acmeclient")
                loaded = Activities(check_text(code, "meta.clientCode"), ())._replace(**overrides)
                rules = edge_rules = document
            else:
                loaded = parse_activities(document)._replace(**overrides)
                rules, edge_rules = build_artifact(loaded), build_artifact(loaded, include_remote=True)
            #: The artifact that the edge decides with.
            self.artifact = compile_edge_artifact(edge_rules, loaded.client)
        self.client, self.geo = loaded.client, loaded.geo
        #: Logs each problem of a request only once while this content is served.
        self.log = Log(logger)
        #: None if the source is a rule artifact.
        self.activities: Optional[Activities] = None if is_artifact else loaded
        #: The artifact for clients.
        self.rules: Dict[str, Any] = dict(rules)
        for reason in self.artifact.skipped_rules:
            logger.warning("Skipped a rule: %s", reason)
        _log_findings(_findings_in_rules(rules) if self.activities is None else _findings(self.activities))
        #: The events that clients can report.
        self.events = events_by_token(self.artifact)
        #: The files ``rules.json`` and ``rules.bin``.
        self.json = json.dumps(self.rules, separators=(",", ":")).encode("ascii")
        self.bin = obfuscate(self.json, organization_id)

    def summary_lines(self) -> List[str]:
        """Return one line for each activity, or for each location of a rule artifact."""
        if self.activities is None:
            views = {f"view {name}": rules for name, rules in self.artifact.views.items()}
            return [f"{name}: {len(rules)} rules" for name, rules in {**self.artifact.mboxes, **views}.items()]
        lines = []
        for activity in self.activities.activities:
            where = ", ".join(activity.locations + tuple(f"view {name}" for name in activity.views))
            shares = ", ".join(f"{experience.name} {experience.range}" for experience in activity.experiences)
            remote = ", decided by the edge only" if activity.is_remote else ""
            lines.append(f"{activity.id} {activity.name}: {where} ({shares}){remote}")
        return lines


def _findings(activities: Activities) -> Iterator[Finding]:
    """Yield the mistakes in the audiences of activities."""
    from target_python_sdk.inspection.condition_check import check_condition  # noqa: PLC0415 - it imports this package

    for index, activity in enumerate(activities.activities):
        if activity.audience is not None:
            yield from check_condition(activity.audience, f"activities[{index}].audience")


def _findings_in_rules(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the mistakes in the audiences of a rule artifact."""
    from target_python_sdk.inspection.artifact_check import check_artifact  # noqa: PLC0415 - it imports this package

    return (finding for finding in check_artifact(document) if finding.kind is not None)


def _log_findings(findings: Iterable[Finding]) -> None:
    """Log each problem once, because all rules of an activity repeat its audience."""
    by_problem: Dict[str, List[Finding]] = {}
    for finding in findings:
        by_problem.setdefault(finding.problem, []).append(finding)
    for first, *others in list(by_problem.values())[:_MAX_LOGGED]:
        logger.warning("%s%s", escape_text(str(first), 400), f" (and {len(others)} more)" if others else "")
    if len(by_problem) > _MAX_LOGGED:
        logger.warning("Audiences have %d more mistakes", len(by_problem) - _MAX_LOGGED)
