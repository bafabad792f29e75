"""The rule artifact: a client's activities as the edge knows them, compiled once and asked many times.

A document is refused as a whole, with ``InvalidArtifact``, where nothing could be
decided by it; a single rule that cannot be used is left out, and what it would have
decided becomes the edge's to decide.  Nothing in an artifact changes once it is made,
so that any number of threads ask it and a newer one takes its place by one assignment.
"""

from typing import Any, Dict, FrozenSet, KeysView, List, Mapping, NamedTuple, NoReturn, Sequence, Tuple

from target_python_sdk.decisioning.rule import ArtifactRuleCompiler, CompiledRule
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_tools.errors import InvalidArtifact, escape_text

#: The first number of the versions that can be read.
SUPPORTED_MAJOR = "1"

Rules = Tuple[CompiledRule, ...]
#: Names that are quickly found, in the order of the document.
Names = KeysView[str]


class Artifact(NamedTuple):
    """Which rules decide where."""

    #: The document as it came; nobody writes to it.
    document: Mapping[str, Any]
    version: str
    #: What the artifact says of itself.
    meta: Mapping[str, Any]
    global_mbox: str
    #: Whether rules or tokens ask for the place of a visitor.
    geo_targeting_enabled: bool
    #: The tokens that options are to report.
    response_tokens: Names
    #: Where all the rules are here: none is the edge's to decide, and none was left out.
    decidable_mboxes: FrozenSet[str]
    decidable_views: FrozenSet[str]
    #: The views that have rules which are not here, or were left out.
    remote_views: Names
    #: Rules in the order of their priority, by the name of their mbox or view.
    mboxes: Mapping[str, Rules]
    views: Mapping[str, Rules]
    #: One text for each rule that cannot be used here.
    skipped_rules: Tuple[str, ...]

    @classmethod
    def compile(cls, document: Any, client: str) -> "Artifact":
        """The artifact that ``document`` describes, for the client of that code.  Raises ``InvalidArtifact``."""
        if not isinstance(document, Mapping):
            _raise_invalid("a rule artifact is an object")
        version = _version(document.get("version"))
        rules = _optional_object(document, "rules")
        tokens = _names(document, "responseTokens")
        meta = _optional_object(document, "meta")
        compiler = ArtifactRuleCompiler(client, tokens)
        mboxes, lost_mboxes = _compile_rules(_optional_object(rules, "mboxes"), compiler)
        views, lost_views = _compile_rules(_optional_object(rules, "views"), compiler)
        global_mbox = document.get("globalMbox") or DEFAULT_GLOBAL_MBOX
        if not isinstance(global_mbox, str):
            _raise_invalid("globalMbox is text")
        remote_mboxes = _names(document, "remoteMboxes", lost_mboxes)
        remote_views = _names(document, "remoteViews", lost_views)
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
        return "<Artifact version {}, {} mboxes, {} views>".format(self.version, len(self.mboxes), len(self.views))


def _version(value: Any) -> str:
    if not isinstance(value, str) or value.partition(".")[0] != SUPPORTED_MAJOR:
        _raise_invalid(
            "The decisioning artifact version ({}) is not supported. "
            "This library is compatible with this major version: {}".format(escape_text(value, 40), SUPPORTED_MAJOR)
        )
    return value


def _optional_object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object that may be missing."""
    part = document.get(key)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        _raise_invalid("{} is an object".format(key))
    return part


def _names(document: Mapping[str, Any], key: str, more: Sequence[str] = ()) -> Names:
    names = document.get(key) or []
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        _raise_invalid("{} is a list of names".format(key))
    return dict.fromkeys([*names, *more]).keys()


def _compile_rules(locations: Mapping[str, Any], compiler: ArtifactRuleCompiler) -> Tuple[Dict[str, Rules], List[str]]:
    """The rules by place, and the places that have lost one."""
    compiled: Dict[str, Rules] = {}
    lost: List[str] = []
    for location, documents in locations.items():
        known = len(compiler.skipped_rules)
        compiled[location] = compiler.compile_rules(location, documents)
        if len(compiler.skipped_rules) > known:
            lost.append(location)
    return compiled, lost


def _raise_invalid(reason: str) -> NoReturn:
    raise InvalidArtifact(reason)
