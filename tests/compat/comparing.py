"""Two sides, compared place by place, and what is said about the places where they differ."""

import fnmatch
import json
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

#: What stands for a key or an element that one side does not have.
ABSENT = "<absent>"
NEVER_MEANT = re.compile("ImportError|ModuleNotFoundError|nothing: it hangs")


class Differs(NamedTuple):
    """One place where 1.1.0 and this project differ."""

    scenario: str
    place: str
    theirs: Any
    ours: Any

    def __str__(self) -> str:
        return "{0.scenario} | {0.place}\n    1.1.0: {1}\n    ours:  {2}".format(
            self, _short(self.theirs), _short(self.ours)
        )


class Difference(NamedTuple):
    """A difference on purpose: where it shows, by which decision, and why in a sentence.

    ``scenario`` and ``place`` are patterns of ``fnmatch``, several with ``|`` between them; ``theirs`` and
    ``ours`` are regular expressions of which the JSON of a side must contain a match.
    """

    number: str
    scenario: str
    place: str
    why: str
    theirs: str = ""
    ours: str = ""

    def explains(self, found: Differs) -> bool:
        """Whether this is what was found.  That ours hangs or cannot be imported is never meant."""
        return (
            NEVER_MEANT.search(_text(found.ours)) is None
            and _matches(self.scenario, found.scenario)
            and _matches(self.place, found.place)
            and re.search(self.theirs, _text(found.theirs)) is not None
            and re.search(self.ours, _text(found.ours)) is not None
        )


def _matches(patterns: str, text: str) -> bool:
    # Names of scenarios have none of the letters that are patterns, and indexes no brackets.
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns.split("|"))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _short(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= 300 else text[:300] + " …"


def differences(theirs: Dict[str, Any], ours: Dict[str, Any]) -> List[Differs]:
    """Every place where the two sides' scenarios differ."""
    found: List[Differs] = []
    for scenario in sorted({*theirs, *ours}):
        pair = theirs.get(scenario, ABSENT), ours.get(scenario, ABSENT)
        found.extend(Differs(scenario, *one) for one in _between("", *pair))
    return found


def _between(place: str, theirs: Any, ours: Any) -> Iterator[Any]:
    if _is_error(theirs) and _is_error(ours):
        # More specific is on purpose; what it could be caught as before, it must still be.
        theirs = {**theirs, "caught as": sorted(set(theirs["caught as"]) - set(ours["caught as"]))}
        ours = {**ours, "caught as": []}
    if isinstance(theirs, dict) and isinstance(ours, dict) and _kind(theirs) == _kind(ours):
        for key in sorted({*theirs, *ours}):
            yield from _between(_under(place, key), theirs.get(key, ABSENT), ours.get(key, ABSENT))
    elif isinstance(theirs, list) and isinstance(ours, list):
        for index in range(max(len(theirs), len(ours))):
            yield from _between(_under(place, str(index)), _at(theirs, index), _at(ours, index))
    elif type(theirs) is not type(ours) or theirs != ours:
        yield place, theirs, ours


def _kind(value: Dict[str, Any]) -> str:
    """What a dict tells of: a model, an error, or just a dict."""
    return next((kind for kind in ("is", "caught as") if kind in value), "")


def _is_error(value: Any) -> bool:
    return isinstance(value, dict) and "caught as" in value


def _under(place: str, key: str) -> str:
    return "{}.{}".format(place, key) if place else key


def _at(values: Sequence[Any], index: int) -> Any:
    return values[index] if index < len(values) else ABSENT


class Verdict(NamedTuple):
    """What a list of differences on purpose says about those that were found."""

    unexplained: List[Differs]
    #: Entries of the list that nothing was found for.
    gone: List[Difference]


def judged(found: Sequence[Differs], on_purpose: Sequence[Difference]) -> Verdict:
    """Each difference must be in the list, and each entry of the list must occur."""
    used = set()
    unexplained = []
    for one in found:
        reasons = [index for index, entry in enumerate(on_purpose) if entry.explains(one)]
        used.update(reasons)
        if not reasons:
            unexplained.append(one)
    return Verdict(unexplained, [entry for index, entry in enumerate(on_purpose) if index not in used])
