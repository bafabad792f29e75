"""The explanation of a decision, as a text (``str``) and as JSON (``to_dict``)."""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from target_python_sdk.explain.structure import Share
from target_python_sdk.explain.values import name_text, value_text
from target_tools.rules.javascript import Value

#: The maximum number of rules of a location that ``str`` shows.
MAX_RULES = 40
#: ``str`` shortens clauses to ``_MAX_CLAUSE`` characters and shows their values in a column on the right. Values of
#: clauses with more than ``_MAX_WIDTH`` characters are not aligned.
_MAX_CLAUSE, _MAX_WIDTH = 300, 60


class Seen(NamedTuple):
    """A variable that a clause reads, and its value for this visitor."""

    name: str
    #: None if the variable is missing.
    value: Value

    def __str__(self) -> str:
        if self.value is None:
            return f"{name_text(self.name)} is missing"
        return f"{name_text(self.name)} = {value_text(self.value, self.name)}"

    def __repr__(self) -> str:
        return f"Seen({self.name!r}, ...)"  # the value may be personal


class Clause(NamedTuple):
    """One clause of an audience, or a part of a clause. All clauses of an audience must hold."""

    #: Whether it held for this visitor.
    held: bool
    #: The clause in words.
    text: str
    #: The variables that it reads.
    seen: Tuple[Seen, ...] = ()
    #: The operator that joins ``parts``: "or" or "and"; "" if there are no parts.
    join: str = ""
    parts: Tuple["Clause", ...] = ()
    #: The reason why the clause could not be evaluated; otherwise empty.
    problem: str = ""


class RuleExplanation(NamedTuple):
    """Why a rule of a location did or did not decide. A rule is one experience of an activity."""

    activity_id: Union[int, str]
    #: The name of the activity; empty if the artifact does not contain it.
    activity: str
    experience_id: Union[int, str, None]
    #: The name of the experience, or its id.
    experience: str
    #: The position among the rules of the location, from 1. The first rule that matches decides.
    priority: int
    #: The visitor's bucket in the activity: a number from 0 to 99.99.
    bucket: float
    #: The buckets that get the experience; None if it does not depend on the bucket.
    share: Optional[Share]
    #: Whether the bucket is in the share. True for a rule without a share.
    in_share: bool
    #: The audience. Empty for all visitors.
    clauses: Tuple[Clause, ...]
    #: The properties that the rule is limited to. Empty for all properties.
    property_tokens: Tuple[str, ...]
    #: Whether the request's property is in ``property_tokens``. True for a rule without properties.
    in_property: bool
    #: Whether the visitor matches the rule, even if an earlier rule has already decided.
    matches: bool
    #: Whether the visitor gets the experience.
    chosen: bool
    #: Whether the experience has content. If not, the page keeps its default content.
    has_offer: bool
    #: The reason in words.
    reason: str

    def __str__(self) -> str:
        return "\n".join([f"{self.activity_title}: {self.reason}", *(f"  {line}" for line in self._clause_lines())])

    @property
    def activity_title(self) -> str:
        """The id and the name of the activity: ``activity 1112 "Two greetings"``."""
        name = f' "{name_text(self.activity)}"' if self.activity else ""
        return f"activity {name_text(str(self.activity_id))}{name}"

    @property
    def experience_title(self) -> str:
        """The experience with its share: ``B (50 to 100)``."""
        name = name_text(self.experience)
        return name if self.share is None else f"{name} ({self.share})"

    @property
    def relevant_clauses(self) -> Tuple[Clause, ...]:
        """The clauses of the audience. Empty if the property or the bucket already excludes the visitor."""
        return self.clauses if self.in_property and self.in_share else ()

    def _clause_lines(self) -> List[str]:
        """Return the lines about the audience."""
        rows = [row for clause in self.relevant_clauses for row in _rows(clause, "")]
        width = max([len(text) for text, value in rows if value and len(text) <= _MAX_WIDTH], default=0)
        return [f"{text.ljust(width)}    {value}" if value else text for text, value in rows]


def _rows(clause: Clause, indent: str) -> Iterator[Tuple[str, str]]:
    """Yield the lines about a clause: the text and the values of each."""
    words = clause.text if len(clause.text) <= _MAX_CLAUSE else clause.text[: _MAX_CLAUSE - 1] + "…"
    if clause.parts:
        words = "any of:" if clause.join == "or" else "all of:"
    values = "" if clause.parts else ", ".join(map(str, clause.seen))
    if clause.problem:
        values = f"cannot be evaluated: {clause.problem}"
    elif clause.held and words == values.replace(" = ", " is ", 1):
        values = ""  # they only repeat the clause
    yield f"{indent}{'yes' if clause.held else 'NO '}  {words}", values
    for part in clause.parts:
        yield from _rows(part, indent + "     ")


class LocationExplanation(NamedTuple):
    """Why a location of a request gets an offer, or none."""

    name: str
    #: ``mbox``, ``view`` or ``page load``.
    kind: str
    #: ``execute`` or ``prefetch``.
    mode: str
    #: Whether the artifact contains the location, with rules or in a list of remote locations.
    is_known: bool
    #: Whether only the edge can decide the location completely.
    is_remote: bool
    #: The rules in order of priority.
    rules: Tuple[RuleExplanation, ...]
    #: The result and the reason for it in words.
    reason: str
    #: The rules that cannot be used, each with the reason.
    problems: Tuple[str, ...] = ()

    @property
    def chosen(self) -> List[RuleExplanation]:
        """The rules whose experiences the visitor gets. Some locations, such as views, can have several."""
        return [rule for rule in self.rules if rule.chosen]

    @property
    def title(self) -> str:
        """The name, and the kind unless it is an mbox."""
        return name_text(self.name) if self.kind == "mbox" else f"{self.kind} {name_text(self.name)}"

    def _lines(self, visitor: str) -> Iterator[str]:
        """Yield the lines of the text about this location."""
        yield f"{self.title} for {name_text(visitor)}: {self.reason}"
        yield from (f"  {problem}" for problem in self.problems)
        blocks = list(self.relevant_rules())
        shown = [block for number, block in enumerate(blocks) if number < MAX_RULES or block.chosen]
        for block in shown:
            yield from (f"  {line}" for line in str(block).split("\n"))
        if len(blocks) > len(shown):
            yield f"  {len(blocks) - len(shown)} more are not shown"

    def relevant_rules(self) -> Iterator[RuleExplanation]:
        """Yield the rules whose share contains the bucket, and the first rule of each other activity."""
        in_share = {rule.activity_id for rule in self.rules if rule.in_share}
        for rule in self.rules:
            if rule.in_share:
                yield rule
            elif rule.activity_id not in in_share:
                in_share.add(rule.activity_id)
                yield rule


class Explanation(NamedTuple):
    """Why a visitor gets the offers of a request, as a text (``str``) and as JSON (``to_dict``)."""

    #: The id that determines the visitor's buckets.
    visitor: str
    locations: Tuple[LocationExplanation, ...]
    #: The reasons why the decision of a real call could differ.
    notes: Tuple[str, ...] = ()

    @property
    def rules(self) -> List[RuleExplanation]:
        """The rules of all locations."""
        return [rule for location in self.locations for rule in location.rules]

    def to_dict(self) -> Dict[str, Any]:
        """Return the explanation as a dict of JSON values."""
        value: Dict[str, Any] = _as_json(self)
        return value

    def __str__(self) -> str:
        lines = [line for location in self.locations for line in location._lines(self.visitor)]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def __repr__(self) -> str:
        return f"<Explanation of {', '.join(location.title for location in self.locations)}>"  # without the visitor


def _as_json(value: Any) -> Any:
    """Return named tuples as objects, other tuples as arrays, and everything else unchanged."""
    if not isinstance(value, tuple):
        return value
    as_dict = getattr(value, "_asdict", None)
    return [*map(_as_json, value)] if as_dict is None else {name: _as_json(item) for name, item in as_dict().items()}
