"""The rule artifact: the activities of a client.

A document that cannot be used at all raises ``InvalidArtifact``. A single rule that cannot be used is skipped, and its
mbox or view becomes remote: only the edge decides it. Only the caches of an artifact change, so threads share it
without locks, and a newer artifact replaces it by assignment.

Loading checks each rule. A location's rules are compiled when they are first used; until then they stay text, because a
compiled rule takes several times the memory of its text, and the garbage collector visits each of its objects.
"""

from typing import Any, Dict, FrozenSet, KeysView, Mapping, NamedTuple, NoReturn, Optional, Sequence, Tuple

from target_python_sdk.decisioning.location_rules import LocationRules
from target_python_sdk.decisioning.rule import RuleSource
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_tools.errors import InvalidArtifact, InvalidResponse, escape_text
from target_tools.http.messages import MAX_BRACKETS, render_json
from target_tools.json_reader import JsonReader, check_limits, render_in_steps
from target_tools.typing_compat import Json

#: The supported major version of artifacts.
SUPPORTED_MAJOR = "1"

#: A large artifact may have one list or object for each 16 bytes. In real artifacts, each takes at least 32 bytes.
_BYTES_PER_BRACKET = 16
#: The levels of objects and arrays around a rule: the document, ``rules``, ``mboxes``, and an mbox.
_LEVELS_AROUND_RULES = 4
#: The parts of an artifact that are used, besides ``rules``.
_PARTS = frozenset({
    "version", "meta", "globalMbox", "geoTargetingEnabled", "responseTokens",
    "localMboxes", "localViews", "remoteMboxes", "remoteViews",
})  # fmt: skip

#: A set of names in the order of the document.
Names = KeysView[str]


class Artifact(NamedTuple):
    """A loaded artifact."""

    #: Returns the document as downloaded. Do not modify it.
    document: "DocumentOnDemand"
    version: str
    #: The artifact's metadata, for traces.
    meta: Mapping[str, Any]
    global_mbox: str
    #: Whether rules or response tokens use the visitor's location.
    geo_targeting_enabled: bool
    #: The response tokens that options report.
    response_tokens: Names
    #: Mboxes and views whose rules are all in the artifact and usable.
    decidable_mboxes: FrozenSet[str]
    decidable_views: FrozenSet[str]
    #: Mboxes and views with rules that are missing or were skipped.
    remote_mboxes: Names
    remote_views: Names
    mboxes: LocationRules
    views: LocationRules
    #: One message per skipped rule.
    skipped_rules: Tuple[str, ...]
    #: Whether the document contains no rules at all.
    is_empty: bool

    @classmethod
    def compile(cls, document: Json, client: str, escape_macros: bool = False) -> "Artifact":
        """Load the artifact in ``document`` for the client code ``client``. Raises ``InvalidArtifact``."""
        return cls.load(render_document(document), client, escape_macros)

    @classmethod
    def load(cls, text: bytes, client: str, escape_macros: bool = False) -> "Artifact":
        """Load the artifact in the JSON ``text`` for the client code ``client``. Raises ``InvalidArtifact``.

        Pauses repeatedly, so that other threads can run.
        """
        source = RuleSource(text, client, escape_macros)
        try:
            document, mboxes, views = _read(_reader(text), source)
        except InvalidResponse as error:
            raise _unreadable(error) from None
        version = _version(document.get("version"))
        if document.get("rules") is None:
            _raise_invalid("a rule artifact must have rules")
        rules = _optional_object(document, "rules")
        source.response_tokens = tokens = _names(document, "responseTokens")
        meta = _optional_object(document, "meta")
        for part in ("mboxes", "views"):
            _optional_object(rules, part)
        global_mbox = document.get("globalMbox") or DEFAULT_GLOBAL_MBOX
        if not isinstance(global_mbox, str):
            _raise_invalid("globalMbox must be text")
        remote_mboxes = _names(document, "remoteMboxes", [*mboxes.skipped])
        remote_views = _names(document, "remoteViews", [*views.skipped])
        return cls(
            DocumentOnDemand(text),
            version,
            meta,
            global_mbox,
            document.get("geoTargetingEnabled") is True,
            tokens,
            mboxes.known_names(_names(document, "localMboxes") - remote_mboxes),
            views.known_names(_names(document, "localViews") - remote_views),
            remote_mboxes,
            remote_views,
            mboxes,
            views,
            tuple(message for part in (mboxes, views) for skipped in part.skipped.values() for message in skipped),
            mboxes.is_empty and views.is_empty,
        )

    def prepare(self, previous: "Artifact") -> None:
        """Compile the rules that ``previous`` has compiled, before this artifact takes its place."""
        self.mboxes.prepare(previous.mboxes)
        self.views.prepare(previous.views)

    def __repr__(self) -> str:
        return f"<Artifact version {self.version}, {len(self.mboxes)} mboxes, {len(self.views)} views>"


class DocumentOnDemand:
    """Parses a document when it is first needed, and keeps it from then on."""

    __slots__ = ("__weakref__", "_document", "_text")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._document: Optional[Mapping[str, Any]] = None

    def __call__(self) -> Mapping[str, Any]:
        """Return the document."""
        document = self._document
        if document is None:
            self._document = document = parse_document(self._text, skip_deep=True)
        return document


def _version(value: Json) -> str:
    if not isinstance(value, str) or value.partition(".")[0] != SUPPORTED_MAJOR:
        _raise_invalid(
            f"The decisioning artifact version ({escape_text(value, 40)}) is not supported. "
            f"This library is compatible with this major version: {SUPPORTED_MAJOR}"
        )
    return value


def _optional_object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object of ``document``, empty if it is missing."""
    part = document.get(key)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        _raise_invalid(f"{key} must be an object")
    return part


def _names(document: Mapping[str, Any], key: str, more: Sequence[str] = ()) -> Names:
    names = document.get(key) or []
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        _raise_invalid(f"{key} must be a list of names")
    return dict.fromkeys([*names, *more]).keys()


def _read(reader: JsonReader, source: RuleSource) -> Tuple[Dict[str, Any], LocationRules, LocationRules]:
    """Return the document without its rules, and the rules of mboxes and views."""
    document: Dict[str, Any] = {}
    mboxes = views = LocationRules(source)
    if not reader.starts_with("{"):
        reader.value()
        reader.end()
        _raise_invalid("a rule artifact must be an object")
    for key in reader.members():
        if key == "rules" and reader.starts_with("{"):
            rules: Dict[str, Any] = {}
            document[key] = rules
            mboxes = views = LocationRules(source)  # the last of several ``rules`` counts, as in a dict
            for part in reader.members():
                locations = LocationRules(source)
                if part in ("mboxes", "views") and reader.starts_with("{"):
                    locations.load(reader)
                    rules[part] = {}
                else:
                    rules[part] = reader.value()
                if part == "mboxes":
                    mboxes = locations
                elif part == "views":
                    views = locations
        else:
            value = reader.value()
            if key == "rules" or key in _PARTS:
                document[key] = value
    reader.end()
    source.cache.clear()
    return document, mboxes, views


def render_document(document: Json) -> bytes:
    """Return ``document`` as JSON. Raises ``InvalidArtifact``."""
    try:
        return render_in_steps(document, render_json, _LEVELS_AROUND_RULES - 1)
    except (TypeError, ValueError, RecursionError) as error:
        raise _unreadable(error) from None


def parse_document(text: bytes, skip_deep: bool = False) -> Any:
    """Return the document in the JSON of an artifact. Raises ``InvalidArtifact``.

    With ``skip_deep``, None takes the place of each rule that is nested too deeply.
    """
    try:
        reader = _reader(text)
        document = reader.document(_LEVELS_AROUND_RULES, skip_deep)
        reader.end()
    except InvalidResponse as error:
        raise _unreadable(error) from None
    return document


def _reader(text: bytes) -> JsonReader:
    check_limits(text, max(MAX_BRACKETS, len(text) // _BYTES_PER_BRACKET))
    return JsonReader(text)


def _unreadable(error: Exception) -> InvalidArtifact:
    return InvalidArtifact(f"Unable to read artifact JSON: {error}")


def _raise_invalid(reason: str) -> NoReturn:
    raise InvalidArtifact(reason)
