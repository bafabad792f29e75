"""One rule of an artifact: under which condition which offer is shown.

A rule is one experience of one activity at one place.  ``ruleKey`` joins the rules that
exclude one another, and they stand in the order of their priority.
"""

from typing import AbstractSet, Any, Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Tuple

from target_python_sdk.decisioning.macros import Content, compile_template, content_renderer
from target_python_sdk.decisioning.parts import text
from target_tools.errors import InvalidRule, escape_text
from target_tools.hashing import HashPrefix
from target_tools.rules.compiler import compile_condition
from target_tools.rules.operators import ClosureCache

#: Who decided, as every option that was decided here says.
ON_DEVICE_TOKENS = {"activity.decisioningMethod": "on-device"}


class BucketedActivity(NamedTuple):
    """An activity, for which a visitor has one bucket."""

    id: Any
    #: What its buckets are hashed from, up to the visitor.
    hash_prefix: HashPrefix


class RuleOption(NamedTuple):
    """One option of a rule's offer."""

    type: Optional[str]
    content: Content
    #: Whether there is neither type nor content: the page stays as it is.
    is_default: bool
    #: What a display notification reports.
    event_token: Optional[str]


class CompiledRule:
    """One rule, compiled."""

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
        #: What to watch for once the offer is shown.
        self.metrics = _objects(self.consequence, "metrics")

    # Most rules of an artifact never win, so what they show is looked at when it is first shown.

    def tokens(self) -> Dict[str, Any]:
        """The response tokens that do not depend on the visitor, in a dict of the caller's own."""
        if self._tokens is None:
            wanted = self._wanted
            found = {**ON_DEVICE_TOKENS, **{name: value for name, value in self.meta.items() if name in wanted}}
            self._tokens = compile_template(found)
        tokens: Dict[str, Any] = self._tokens()
        return tokens

    @property
    def options(self) -> Tuple[RuleOption, ...]:
        """The offer."""
        if self._options is None:
            found = self.consequence.get("options") or []
            self._options = tuple(_option(option, at, self.metrics) for at, option in enumerate(found))
        return self._options

    @property
    def audience_ids(self) -> List[Any]:
        """The audiences that its condition stands for."""
        found = self.meta.get("audience.ids")
        return found if isinstance(found, list) else []


class ArtifactRuleCompiler:
    """Compiles the rules of one artifact, and keeps account of those that cannot be used."""

    def __init__(self, client: str, tokens: AbstractSet[str]) -> None:
        self._client = client
        #: The response tokens that options are to report.
        self._tokens = tokens
        #: What conditions have in common.
        self._cache = ClosureCache()
        self._activities: Dict[Any, BucketedActivity] = {}
        #: One text for each rule that cannot be used.
        self.skipped_rules: List[str] = []

    def compile_rules(self, location: str, documents: Any) -> Tuple[CompiledRule, ...]:
        """The rules of an mbox or a view that can be used, in their order."""
        if not isinstance(documents, (list, tuple)):
            self.skipped_rules.append("the rules of {}: a list was expected".format(escape_text(location, 80)))
            return ()
        rules: List[CompiledRule] = []
        for at, document in enumerate(documents):
            try:
                rules.append(self._rule(document))
            except InvalidRule as error:
                self.skipped_rules.append("rule {} of {}: {}".format(at, escape_text(location, 80), error))
        return tuple(rules)

    def _rule(self, document: Any) -> CompiledRule:
        if not _is_object(document):
            raise InvalidRule("an object was expected")
        number = document.get("activityId")
        if isinstance(number, float) and number.is_integer():
            number = int(number)  # to JavaScript they are one number
        if not isinstance(number, (int, str)) or isinstance(number, bool):
            raise InvalidRule("activityId: a number was expected")
        activity = self._activities.get(number)
        if activity is None:
            activity = BucketedActivity(number, HashPrefix.of_text("{}.{}.".format(self._client, number)))
            self._activities[number] = activity
        return CompiledRule(document, activity, self._tokens, self._cache)


def _key(document: Mapping[str, Any], activity: BucketedActivity) -> Any:
    key = document.get("ruleKey", activity.id)
    if not isinstance(key, (str, int)):
        raise InvalidRule("ruleKey: text was expected")
    return key


def _is_object(value: Any) -> bool:
    return value.__class__ is dict or isinstance(value, Mapping)  # which takes its time


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found: Optional[Mapping[str, Any]] = document.get(key)
    if found is None:
        return {}
    if not _is_object(found):
        raise InvalidRule("{}: an object was expected".format(key))
    return found


def _objects(document: Mapping[str, Any], key: str) -> List[Mapping[str, Any]]:
    found = document.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(map(_is_object, found)):
        raise InvalidRule("{}: a list of objects was expected".format(key))
    return found


def _property_tokens(document: Mapping[str, Any]) -> Optional[FrozenSet[str]]:
    """The properties that the rule is for; None for a rule that is for all of them."""
    found = document.get("propertyTokens")
    if not found:
        return None
    if not isinstance(found, list) or not all(isinstance(token, str) for token in found):
        raise InvalidRule("propertyTokens: a list of text was expected")
    return frozenset(found)


def _option(option: Mapping[str, Any], at: int, metrics: List[Mapping[str, Any]]) -> RuleOption:
    kind, content = option.get("type"), option.get("content")
    token = option.get("eventToken")
    if token is None and at < len(metrics) and metrics[at].get("type") == "display":
        token = metrics[at].get("eventToken")
    return RuleOption(kind, content_renderer(kind, content), kind is None and content is None, text(token))
