"""What an edge serves at one time: a client's activities, or a rule artifact as it stands."""

from logging import getLogger
from typing import Any, List, Mapping, Optional, Tuple

from target_python_sdk.local_edge.activities import Activities, ActivitiesSource, activities_of, named_by, read_document
from target_python_sdk.local_edge.checks import checked_object, checked_text
from target_python_sdk.local_edge.geo import read_geo
from target_python_sdk.local_edge.own_rules import own_artifact
from target_python_sdk.local_edge.published import published, published_bin
from target_python_sdk.local_edge.rules import Json, all_rules_of, rules_of

logger = getLogger("adobe.target.local_edge")


class Served:
    """One reading of a source.  Nothing in it changes; an edge that loads another source has another one.

    A ``client`` code that is given counts for more than the source's own.
    """

    def __init__(
        self,
        source: ActivitiesSource,
        organization_id: str,
        geo: Optional[Mapping[str, Any]] = None,
        client: Optional[str] = None,
    ) -> None:
        code = None if client is None else checked_text(client, "client")
        document = read_document(source)
        with named_by(source):
            #: None for an artifact that is served as it stands.
            self.activities: Optional[Activities] = None
            if is_artifact(document):
                self._serve_as_it_stands(document, geo, code)
            else:
                self._serve_activities(activities_of(document), geo, code)
        self.json = published(self.rules)
        self.bin = published_bin(self.rules, organization_id)

    def _serve_as_it_stands(self, document: Json, geo: Optional[Mapping[str, Any]], client: Optional[str]) -> None:
        self.client, self.geo = client or _client_of(document), read_geo(geo)
        #: The artifact that is served, and the one that the edge itself decides by.
        self.rules, self.artifact = document, own_artifact(document, self.client)
        for reason in self.artifact.skipped_rules:
            logger.warning("The local edge leaves a rule out: %s", reason)

    def _serve_activities(
        self, activities: Activities, geo: Optional[Mapping[str, Any]], client: Optional[str]
    ) -> None:
        activities = activities._replace(client=client or activities.client)
        if geo is not None:
            activities = activities._replace(geo=read_geo(geo))
        self.activities, self.client, self.geo = activities, activities.client, dict(activities.geo)
        self.rules = rules_of(activities)
        self.artifact = own_artifact(all_rules_of(activities), self.client)

    def lines(self) -> List[str]:
        """One line for each activity, for a person."""
        if self.activities is None:
            return _lines_of(self.rules)
        found = []
        for activity in self.activities.activities:
            where = ", ".join(activity.locations + tuple("view " + name for name in activity.views))
            shares = ", ".join("{} {}".format(one.name, one.range) for one in activity.experiences)
            remote = ", decided by the edge only" if activity.is_remote else ""
            found.append("{} {}: {} ({}){}".format(activity.id, activity.name, where, shares, remote))
        return found


def is_artifact(document: Any) -> bool:
    """Whether the document is a rule artifact, and no file of activities."""
    return isinstance(document, Mapping) and "rules" in document and "version" in document


def _client_of(document: Json) -> str:
    meta = checked_object(document.get("meta") or {}, "meta")
    return checked_text(meta.get("clientCode", "acmeclient"), "meta.clientCode")


def _lines_of(rules: Json) -> List[str]:
    names: List[Tuple[str, int]] = []
    for kind, prefix in (("mboxes", ""), ("views", "view ")):
        places = checked_object(checked_object(rules["rules"], "rules").get(kind) or {}, "rules." + kind)
        names += [(prefix + name, len(found or ())) for name, found in places.items()]
    return ["{}: {} rules".format(name, count) for name, count in names]
