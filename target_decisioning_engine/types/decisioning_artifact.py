"""The parts of a rule artifact as dicts with a fixed set of keys. The engine itself uses plain dicts."""

from typing import Any, ClassVar, List, Mapping, Optional, Tuple

from target_tools.types.limited_key_dict import LimitedKeyDict


class ArtifactDict(LimitedKeyDict):
    """Copies the keys in ``_keys`` from a dict and ignores all others."""

    _keys: ClassVar[Tuple[str, ...]] = ()

    def __init__(self, kwargs: Optional[Mapping[str, Any]] = None) -> None:
        self._validate_kwargs_and_update(kwargs)

    def _get_valid_keys(self) -> List[str]:
        return list(self._keys)


class RuleMeta(ArtifactDict):
    """The activity, experience and offer of a rule."""

    _keys = (
        "activity.id",
        "activity.name",
        "activity.type",
        "audience.ids",
        "experience.id",
        "experience.name",
        "location.id",
        "location.name",
        "location.type",
        "offer.id",
        "offer.name",
        "option.id",
        "option.name",
        "displayResponseType",
    )


class Rule(ArtifactDict):
    """A condition and its offer."""

    _keys = ("ruleKey", "propertyTokens", "seed", "condition", "consequence")


class DecisioningArtifactMeta(ArtifactDict):
    """The metadata of an artifact."""

    _keys = ("generatedAt", "organizationId", "clientCode", "workspace", "environment")


class DecisioningArtifactRules(ArtifactDict):
    """The rules by mbox or view."""

    _keys = ("mboxes", "views")


class DecisioningArtifact(ArtifactDict):
    """A rule artifact."""

    _keys = (
        "version",
        "globalMbox",
        "geoTargetingEnabled",
        "responseTokens",
        "remoteMboxes",
        "localMboxes",
        "remoteViews",
        "localViews",
        "meta",
        "rules",
    )
