"""The rule artifact: a client's activities as the edge knows them, compiled once and asked many times.

A document is refused as a whole, with ``InvalidArtifact``, where nothing could be
decided by it; a single rule that cannot be used is left out, and what it would have
decided becomes the edge's to decide.  Nothing in an artifact changes once it is made,
so that any number of threads ask it and a newer one takes its place by one assignment.
"""

from typing import Any, Dict, FrozenSet, KeysView, List, Mapping, NamedTuple, NoReturn, Sequence, Tuple

from target_python_sdk.decisioning.rule import Rule, RuleCompiler
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_tools.errors import InvalidArtifact, quoted

#: The first number of the versions that can be read.
SUPPORTED_MAJOR = "1"

Rules = Tuple[Rule, ...]
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
    left_out: Tuple[str, ...]

    @classmethod
    def compile(cls, document: Any, client: str) -> "Artifact":
        """The artifact that ``document`` describes, for the client of that code.  Raises ``InvalidArtifact``."""
        if not isinstance(document, Mapping):
            _refuse("a rule artifact is an object")
        version = _version(document.get("version"))
        rules = _part(document, "rules")
        tokens = _names(document, "responseTokens")
        meta = _part(document, "meta")
        compiler = RuleCompiler(client, tokens)
        mboxes, lost_mboxes = _compiled(_part(rules, "mboxes"), compiler)
        views, lost_views = _compiled(_part(rules, "views"), compiler)
        global_mbox = document.get("globalMbox") or DEFAULT_GLOBAL_MBOX
        if not isinstance(global_mbox, str):
            _refuse("globalMbox is text")
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
            tuple(compiler.left_out),
        )

    def __repr__(self) -> str:
        return "<Artifact version {}, {} mboxes, {} views>".format(self.version, len(self.mboxes), len(self.views))


def _version(value: Any) -> str:
    if not isinstance(value, str) or value.partition(".")[0] != SUPPORTED_MAJOR:
        _refuse(
            "The decisioning artifact version ({}) is not supported. "
            "This library is compatible with this major version: {}".format(quoted(value, 40), SUPPORTED_MAJOR)
        )
    return value


def _part(whole: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object that may be missing."""
    part = whole.get(key)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        _refuse("{} is an object".format(key))
    return part


def _names(document: Mapping[str, Any], key: str, more: Sequence[str] = ()) -> Names:
    names = document.get(key) or []
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        _refuse("{} is a list of names".format(key))
    return dict.fromkeys([*names, *more]).keys()


def _compiled(places: Mapping[str, Any], compiler: RuleCompiler) -> Tuple[Dict[str, Rules], List[str]]:
    """The rules by place, and the places that have lost one."""
    compiled: Dict[str, Rules] = {}
    lost: List[str] = []
    for place, documents in places.items():
        known = len(compiler.left_out)
        compiled[place] = compiler.rules_at(place, documents)
        if len(compiler.left_out) > known:
            lost.append(place)
    return compiled, lost


def _refuse(reason: str) -> NoReturn:
    raise InvalidArtifact(reason)
