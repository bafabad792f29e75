"""The rule artifact: the activities of a client, compiled once.

``InvalidArtifact`` rejects a document that cannot be used at all. A single rule that cannot be used is skipped, and
its mbox or view becomes remote: only the edge decides it. Artifacts are immutable, so threads share them without
locks, and a newer artifact replaces an older one by assignment.
"""

from typing import Any, Dict, FrozenSet, KeysView, List, Mapping, NamedTuple, NoReturn, Sequence, Tuple

from target_python_sdk.decisioning.rule import ArtifactRuleCompiler, CompiledRule
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_tools.errors import InvalidArtifact, escape_text
from target_tools.typing_compat import Json

#: The supported major version of artifacts.
SUPPORTED_MAJOR = "1"

Rules = Tuple[CompiledRule, ...]
#: A set of names in the order of the document.
Names = KeysView[str]


class Artifact(NamedTuple):
    """A compiled artifact."""

    #: The document as downloaded. Must not be modified.
    document: Mapping[str, Any]
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
    #: Views with rules that are missing or were skipped.
    remote_views: Names
    #: Rules by mbox or view, in order of priority.
    mboxes: Mapping[str, Rules]
    views: Mapping[str, Rules]
    #: One message per skipped rule.
    skipped_rules: Tuple[str, ...]

    @classmethod
    def compile(cls, document: Json, client: str) -> "Artifact":
        """Compile ``document`` for the client with that code. Raises ``InvalidArtifact``."""
        if not isinstance(document, Mapping):
            _raise_invalid("a rule artifact must be an object")
        version = _version(document.get("version"))
        rules = _optional_object(document, "rules")
        tokens = _names(document, "responseTokens")
        meta = _optional_object(document, "meta")
        compiler = ArtifactRuleCompiler(client, tokens)
        mboxes, incomplete_mboxes = _compile_rules(_optional_object(rules, "mboxes"), compiler)
        views, incomplete_views = _compile_rules(_optional_object(rules, "views"), compiler)
        global_mbox = document.get("globalMbox") or DEFAULT_GLOBAL_MBOX
        if not isinstance(global_mbox, str):
            _raise_invalid("globalMbox must be text")
        remote_mboxes = _names(document, "remoteMboxes", incomplete_mboxes)
        remote_views = _names(document, "remoteViews", incomplete_views)
        return cls(
            document,
            version,
            meta,
            global_mbox,
            document.get("geoTargetingEnabled") is True,
            tokens,
            frozenset(_names(document, "localMboxes") - remote_mboxes),
            frozenset(_names(document, "localViews") - remote_views),
            remote_views,
            mboxes,
            views,
            tuple(compiler.skipped_rules),
        )

    def __repr__(self) -> str:
        return f"<Artifact version {self.version}, {len(self.mboxes)} mboxes, {len(self.views)} views>"


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


def _compile_rules(locations: Mapping[str, Any], compiler: ArtifactRuleCompiler) -> Tuple[Dict[str, Rules], List[str]]:
    """Return the compiled rules by mbox or view, and the names of those with a skipped rule."""
    compiled: Dict[str, Rules] = {}
    incomplete: List[str] = []
    for location, documents in locations.items():
        skipped = len(compiler.skipped_rules)
        compiled[location] = compiler.compile_rules(location, documents)
        if len(compiler.skipped_rules) > skipped:
            incomplete.append(location)
    return compiled, incomplete


def _raise_invalid(reason: str) -> NoReturn:
    raise InvalidArtifact(reason)
