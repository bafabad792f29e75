"""One rule of an artifact: a condition, and the offer that visitors see if it holds.

A rule is one experience of an activity at one location. Of the rules with the same ``ruleKey``, which are in order of
priority, at most one applies.
"""

from typing import AbstractSet, Any, Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Tuple

from target_python_sdk.decisioning.macros import Content, compile_template, content_renderer
from target_tools.errors import InvalidRule, escape_text
from target_tools.hashing import HashPrefix
from target_tools.rules.compiler import compile_condition
from target_tools.rules.operators import ClosureCache
from target_tools.typing_compat import Json

#: The response token of every on-device decision.
ON_DEVICE_TOKENS = {"activity.decisioningMethod": "on-device"}

#: The types of objects. ``isinstance`` is slow for abstract classes, so dict is first.
_OBJECT = (dict, Mapping)


class BucketedActivity(NamedTuple):
    """An activity. Each visitor has one bucket in it."""

    id: Any
    #: The hashed text up to the visitor's id.
    hash_prefix: HashPrefix


class RuleOption(NamedTuple):
    """One option of an offer."""

    type: Optional[str]
    content: Content
    #: True without type and content: the page keeps its default content.
    is_default: bool
    #: The token that display notifications contain.
    event_token: Optional[str]


class CompiledRule:
    """A compiled rule."""

    __slots__ = (
        "_options",
        "_tokens",
        "_wanted",
        "activity",
        "condition",
        "consequence",
        "document",
        "key",
        "meta",
        "metrics",
        "property_tokens",
    )

    def __init__(
        self, document: Mapping[str, Any], activity: BucketedActivity, wanted: AbstractSet[str], cache: ClosureCache
    ) -> None:
        self.document = document
        self.activity = activity
        self.key = _key(document, activity)
        self.meta: Mapping[str, Any] = _object(document, "meta")
        self.consequence: Mapping[str, Any] = _object(document, "consequence")
        self.property_tokens = _property_tokens(document)
        self.condition: Callable[[Any], bool] = compile_condition(document.get("condition"), cache)
        self._wanted = wanted
        self._tokens: Optional[Callable[[], Any]] = None
        self._options: Optional[Tuple[RuleOption, ...]] = None
        _objects(self.consequence, "options")
        #: The events that applications report, such as clicks.
        self.metrics = _objects(self.consequence, "metrics")

    # Most rules of an artifact never match, so offers are prepared on first use.

    def tokens(self) -> Dict[str, Any]:
        """Return the response tokens that do not depend on the visitor, in a new dict."""
        if self._tokens is None:
            wanted = self._wanted
            tokens = {**ON_DEVICE_TOKENS, **{name: value for name, value in self.meta.items() if name in wanted}}
            self._tokens = compile_template(tokens)
        copy: Dict[str, Any] = self._tokens()
        return copy

    @property
    def options(self) -> Tuple[RuleOption, ...]:
        """The options of the offer."""
        if self._options is None:
            options = self.consequence.get("options") or []
            self._options = tuple(_option(option, index, self.metrics) for index, option in enumerate(options))
        return self._options

    @property
    def audience_ids(self) -> List[Any]:
        """The ids of the audiences that the condition was generated from."""
        ids = self.meta.get("audience.ids")
        return ids if isinstance(ids, list) else []


class ArtifactRuleCompiler:
    """Compiles the rules of one artifact and collects a message for each rule that cannot be used."""

    def __init__(self, client: str, tokens: AbstractSet[str]) -> None:
        self._client = client
        #: The response tokens that options report.
        self._tokens = tokens
        self._cache = ClosureCache()
        self._activities: Dict[Any, BucketedActivity] = {}
        #: One message per rule that cannot be used.
        self.skipped_rules: List[str] = []

    def compile_rules(self, location: str, documents: Json) -> Tuple[CompiledRule, ...]:
        """Compile the rules of an mbox or a view, and return the usable ones in order."""
        if not isinstance(documents, (list, tuple)):
            self.skipped_rules.append(f"the rules of {escape_text(location, 80)}: expected a list")
            return ()
        rules: List[CompiledRule] = []
        for index, document in enumerate(documents):
            try:
                rules.append(self._rule(document))
            except InvalidRule as error:
                self.skipped_rules.append(f"rule {index} of {escape_text(location, 80)}: {error}")
        return tuple(rules)

    def _rule(self, document: Json) -> CompiledRule:
        if not isinstance(document, _OBJECT):
            raise InvalidRule("expected an object")
        number = document.get("activityId")
        if isinstance(number, float) and number.is_integer():
            number = int(number)  # 1.0 and 1 are the same number in JavaScript
        if not isinstance(number, (int, str)) or isinstance(number, bool):
            raise InvalidRule("activityId: expected a number")
        activity = self._activities.get(number)
        if activity is None:
            activity = BucketedActivity(number, HashPrefix.of_text(self._client + f".{number}."))
            self._activities[number] = activity
        return CompiledRule(document, activity, self._tokens, self._cache)


def _key(document: Mapping[str, Any], activity: BucketedActivity) -> Any:
    key = document.get("ruleKey", activity.id)
    if not isinstance(key, (str, int)):
        raise InvalidRule("ruleKey: expected text")
    return key


def _is_object(value: Json) -> bool:
    return isinstance(value, _OBJECT)


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value: Optional[Mapping[str, Any]] = document.get(key)
    if value is None:
        return {}
    if not _is_object(value):
        raise InvalidRule(f"{key}: expected an object")
    return value


def _objects(document: Mapping[str, Any], key: str) -> List[Mapping[str, Any]]:
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(map(_is_object, value)):
        raise InvalidRule(f"{key}: expected a list of objects")
    return value


def _property_tokens(document: Mapping[str, Any]) -> Optional[FrozenSet[str]]:
    """Return the properties that the rule applies to; None means all."""
    tokens = document.get("propertyTokens")
    if not tokens:
        return None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InvalidRule("propertyTokens: expected a list of text")
    return frozenset(tokens)


def _option(option: Mapping[str, Any], index: int, metrics: List[Mapping[str, Any]]) -> RuleOption:
    type_, content = option.get("type"), option.get("content")
    token = option.get("eventToken")
    if token is None and index < len(metrics) and metrics[index].get("type") == "display":
        token = metrics[index].get("eventToken")
    is_default = type_ is None and content is None
    return RuleOption(type_, content_renderer(type_, content), is_default, text_or_none(token))


def text_or_none(value: Json) -> Optional[str]:
    """Return ``value`` if it is text, else None."""
    return value if isinstance(value, str) else None
