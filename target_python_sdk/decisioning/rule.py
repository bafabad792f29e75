"""One rule of an artifact: a condition, and the offer that visitors see if it holds.

A rule is one experience of an activity at one location. Rules are in order of priority. At most one of the rules with
the same ``ruleKey`` applies.
"""

from typing import (
    TYPE_CHECKING,
    AbstractSet,
    Any,
    Callable,
    Dict,
    FrozenSet,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from target_python_sdk.decisioning.geo_names import with_comparable_names
from target_python_sdk.decisioning.macros import Content, compile_template, content_renderer
from target_tools.errors import InvalidRule, escape_text
from target_tools.hashing import HashPrefix
from target_tools.json_reader import TOO_DEEP, JsonReader
from target_tools.rules.compiler import compile_condition
from target_tools.rules.operators import ClosureCache
from target_tools.typing_compat import Json

#: The response token of every on-device decision.
ON_DEVICE_TOKENS = {"activity.decisioningMethod": "on-device"}

#: The types of JSON objects. ``isinstance`` is slow for abstract classes, so dict is first.
_OBJECT = (dict, Mapping)

#: Attributes of a rule that are parsed together, on first access to any of them.
_LAZY_ATTRIBUTES = frozenset({"consequence", "meta", "metrics", "options", "tokens"})
#: Maximum number of object keys that are interned, so that all rules share one ``str`` for each.
_MAX_SHARED_NAMES = 1000
#: The parts of a consequence that are separate attributes of a rule, or are not used.
_SEPARATE = frozenset({"name", "options", "metrics"})
_EMPTY: Mapping[str, Any] = {}
_NO_METRICS: Sequence[Mapping[str, Any]] = ()


class BucketedActivity(NamedTuple):
    """An activity. Each visitor has one bucket in it."""

    id: Any
    #: The part of the hashed text before the visitor's id.
    hash_prefix: HashPrefix


class RuleOption(NamedTuple):
    """One option of an offer."""

    type: Optional[str]
    content: Content
    #: True if there is neither type nor content: the page keeps its default content.
    is_default: bool
    #: The token that display notifications contain.
    event_token: Optional[str]


class CompiledRule:
    """A compiled rule.

    The offer is read from the text of the rule when it is first needed, because most rules of an artifact never match.
    """

    __slots__ = (
        "_source",
        "activity",
        "condition",
        "consequence",
        "key",
        "meta",
        "metrics",
        "options",
        "position",
        "property_tokens",
        "tokens",
    )
    condition: Callable[[Any], bool]
    #: The consequence without name, options and metrics.
    consequence: Mapping[str, Any]
    meta: Mapping[str, Any]
    #: The events that applications report, such as clicks.
    metrics: Sequence[Mapping[str, Any]]
    #: The options of the offer.
    options: Tuple[RuleOption, ...]
    #: Where the rule starts in the text of the artifact.
    position: int
    #: Returns the response tokens that do not depend on the visitor, in a new dict.
    tokens: Callable[[], Dict[str, Any]]

    def __init__(
        self, document: Mapping[str, Any], activity: BucketedActivity, source: "RuleSource", position: int
    ) -> None:
        self._source, self.position = source, position
        self.activity = activity
        self.key = _key(document, activity)
        self.property_tokens = _property_tokens(document)
        self.condition = compile_condition(with_comparable_names(document.get("condition")), source.cache)
        _object(document, "meta")
        consequence = _object(document, "consequence")
        _objects(consequence, "options")
        _objects(consequence, "metrics")

    if not TYPE_CHECKING:  # a type checker would accept any name

        def __getattr__(self, name: str) -> Any:
            if name not in _LAZY_ATTRIBUTES:
                raise AttributeError(name)
            self._read_offer()
            return getattr(self, name)

    def _read_offer(self) -> None:
        document, token_names = self.document, self._source.response_tokens
        consequence = _object(document, "consequence")
        metrics = _objects(consequence, "metrics") or _NO_METRICS
        options = consequence.get("options") or ()
        meta = self._source.with_shared_names(_object(document, "meta"))
        tokens = {name: value for name, value in meta.items() if name in token_names}
        self.tokens = compile_template({**ON_DEVICE_TOKENS, **tokens})
        self.options = tuple(_option(option, index, metrics, self._source) for index, option in enumerate(options))
        self.metrics = metrics
        self.meta = meta
        self.consequence = {name: value for name, value in consequence.items() if name not in _SEPARATE} or _EMPTY

    @property
    def document(self) -> Dict[str, Any]:
        """The rule as in the artifact, in a new dict."""
        rule: Dict[str, Any] = self._source.reader(self.position).value()
        return rule

    @property
    def audience_ids(self) -> List[Any]:
        """The ids of the audiences that the condition was generated from."""
        ids = self.meta.get("audience.ids")
        return ids if isinstance(ids, list) else []


class RuleSource:
    """The text of one artifact, and the settings and the closure cache that its rules share."""

    __slots__ = ("_client", "_names", "_text", "cache", "escape_macros", "response_tokens")

    def __init__(self, text: bytes, client: str, escape_macros: bool = False) -> None:
        self._text = text
        self._client = client
        self._names: Dict[str, str] = {}
        #: The response tokens that options report.
        self.response_tokens: AbstractSet[str] = frozenset()
        #: Whether to escape the values that macros insert into HTML.
        self.escape_macros = escape_macros
        self.cache = ClosureCache()

    def reader(self, position: int, levels: int = 0) -> JsonReader:
        """Return a reader for the value at ``position``. The value is inside ``levels`` objects and arrays."""
        return JsonReader(self._text, position, levels)

    def with_shared_names(self, value: Mapping[str, Any]) -> Dict[str, Any]:
        """Return a copy of ``value`` whose names, unless there are many, are the same objects as in other rules."""
        names = self._names
        shared = names.setdefault if len(names) + len(value) <= _MAX_SHARED_NAMES else names.get
        return {shared(name, name): item for name, item in value.items()}

    def compile_rules(self, reader: JsonReader, location: str, skipped: List[str]) -> Tuple[CompiledRule, ...]:
        """Compile the rules of an mbox or a view, and return the usable ones in order.

        Adds a message to ``skipped`` for each rule that cannot be used.
        """
        if not reader.starts_with("["):
            reader.value()
            skipped.append(f"the rules of {escape_text(location, 80)}: expected a list")
            return ()
        rules: List[CompiledRule] = []
        activities: Dict[Any, BucketedActivity] = {}
        for index in reader.items():
            position = reader.position()
            document = reader.value_unless_too_deep()
            try:
                rules.append(self._rule(document, position, activities))
            except InvalidRule as error:
                skipped.append(f"rule {index} of {escape_text(location, 80)}: {error}")
        return tuple(rules)

    def _rule(self, document: Json, position: int, activities: Dict[Any, BucketedActivity]) -> CompiledRule:
        if document is TOO_DEEP:
            raise InvalidRule("nested too deeply")
        if not isinstance(document, _OBJECT):
            raise InvalidRule("expected an object")
        number = document.get("activityId")
        if isinstance(number, float) and number.is_integer():
            number = int(number)  # 1.0 and 1 are the same number in JavaScript
        if not isinstance(number, (int, str)) or isinstance(number, bool):
            raise InvalidRule("activityId: expected a number")
        activity = activities.get(number)
        if activity is None:
            activity = BucketedActivity(number, HashPrefix.of_text(self._client + f".{number}."))
            activities[number] = activity
        return CompiledRule(document, activity, self, position)


def _key(document: Mapping[str, Any], activity: BucketedActivity) -> Any:
    key = document.get("ruleKey")
    if key is None:
        return activity.id
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


def _option(
    option: Mapping[str, Any], index: int, metrics: Sequence[Mapping[str, Any]], source: RuleSource
) -> RuleOption:
    type_, content = option.get("type"), option.get("content")
    if isinstance(content, dict):
        content = source.with_shared_names(content)
    token = option.get("eventToken")
    if token is None and index < len(metrics) and metrics[index].get("type") == "display":
        token = metrics[index].get("eventToken")
    is_default = type_ is None and content is None
    return RuleOption(type_, content_renderer(type_, content, source.escape_macros), is_default, text_or_none(token))


def text_or_none(value: Json) -> Optional[str]:
    """Return ``value`` if it is text, else None."""
    return value if isinstance(value, str) else None
