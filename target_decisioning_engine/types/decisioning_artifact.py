"""The parts of a rule artifact as dicts with a fixed set of keys.  The engine itself takes and gives plain dicts."""

from typing import Any, ClassVar, List, Mapping, Optional, Tuple

from target_tools.types.limited_key_dict import LimitedKeyDict


class _Part(LimitedKeyDict):
    """Made of one dict, of which it takes the keys it has."""

    _keys: ClassVar[Tuple[str, ...]] = ()

    def __init__(self, kwargs: Optional[Mapping[str, Any]] = None) -> None:
        self._validate_kwargs_and_update(kwargs)

    def _get_valid_keys(self) -> List[str]:
        return list(self._keys)


class RuleMeta(_Part):
    """What a rule says of its activity, experience and offer."""

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


class Rule(_Part):
    """Under which condition what is shown."""

    _keys = ("ruleKey", "propertyTokens", "seed", "condition", "consequence")


class DecisioningArtifactMeta(_Part):
    """What an artifact says of itself."""

    _keys = ("generatedAt", "organizationId", "clientCode", "workspace", "environment")


class DecisioningArtifactRules(_Part):
    """The rules by the name of their mbox or view."""

    _keys = ("mboxes", "views")


class DecisioningArtifact(_Part):
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
