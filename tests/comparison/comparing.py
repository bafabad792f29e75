"""Two sides, compared place by place, and what is said about the places where they differ."""

import fnmatch
import functools
import itertools
import json
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Pattern, Sequence, Set

#: What stands for a key or an element that one side does not have.
ABSENT = "<absent>"
NEVER_MEANT = re.compile("ImportError|ModuleNotFoundError|nothing: it hangs")
#: Ours may raise what can be caught as one of these; any other error must be named by the entry that means it.
MEANT = {"TargetError", "OpenApiException"}
#: In how many ways at most the elements of two lists are put beside each other.
WAYS = 2000
#: How an error tells by which names it can be caught.
CAUGHT = "caught as"


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

    ``scenario`` and ``place`` are patterns of ``fnmatch``, several with ``|`` between them, and so is ``but``, the
    scenarios that are not meant; ``theirs`` and ``ours`` are regular expressions of which the JSON of a side must
    contain a match.
    """

    number: str
    scenario: str
    place: str
    why: str
    theirs: str
    ours: str
    but: str = ""

    def explains(self, found: Differs) -> bool:
        """Whether this is what was found.  Some outcomes of ours are never meant."""
        return (
            _matches(self.scenario, found.scenario)
            and _matches(self.place, found.place)
            and not _matches(self.but, found.scenario)
            and re.search(self.theirs, _text(found.theirs)) is not None
            and re.search(self.ours, _text(found.ours)) is not None
            and not self._is_never_meant(found)
        )

    def _is_never_meant(self, found: Differs) -> bool:
        """Whether ours hangs, cannot be imported, or raises an error that is nobody's and that this does not name."""
        if NEVER_MEANT.search(_text(found.ours)):
            return True
        told = {CAUGHT: found.ours} if _last(found.place) == CAUGHT else found.ours
        return any(not MEANT & names and not any(name in self.ours for name in names) for names in _errors(told))


def _matches(patterns: str, text: str) -> bool:
    return _pattern(patterns).match(text) is not None


@functools.lru_cache(maxsize=None)
def _pattern(patterns: str) -> Pattern[str]:
    # Names of scenarios have none of the letters that are patterns, and indexes no brackets.
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns.split("|")))


def _errors(value: Any) -> Iterator[Set[str]]:
    """The names of each error in there; one that has none is a plain ``Exception``."""
    if isinstance(value, dict):
        if isinstance(value.get(CAUGHT), list):
            yield set(value[CAUGHT]) or {"Exception"}
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _errors(each)


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
    if _kind(theirs) == _kind(ours) == CAUGHT:
        was, now = set(theirs[CAUGHT]), set(ours[CAUGHT])
        if was == now or (was < now and MEANT & now):
            # More specific is on purpose; what it could be caught as before, it still is.
            ours = {**ours, CAUGHT: theirs[CAUGHT]}
    if isinstance(theirs, dict) and isinstance(ours, dict) and _kind(theirs) == _kind(ours):
        for key in sorted({*theirs, *ours}):
            yield from _between(_under(place, key), theirs.get(key, ABSENT), ours.get(key, ABSENT))
    elif isinstance(theirs, list) and isinstance(ours, list) and _last(place) != CAUGHT:
        for index, was, now in _aligned(theirs, ours):
            yield from _between(_under(place, str(index)), was, now)
    elif type(theirs) is not type(ours) or theirs != ours:
        yield place, theirs, ours


def _aligned(theirs: List[Any], ours: List[Any]) -> Iterator[Any]:
    """Elements beside each other, with an index.  Where one side has more, the others have the likest partners."""
    more, fewer = (theirs, ours) if len(theirs) >= len(ours) else (ours, theirs)
    unlike = {
        (index, other): sum(1 for _ in _between("", one, another)) if len(more) > len(fewer) else 0
        for index, one in enumerate(more)
        for other, another in enumerate(fewer)
    }
    ways = itertools.islice(itertools.combinations(range(len(more)), len(fewer)), WAYS)
    chosen = min(ways, key=lambda way: sum(unlike[index, other] for other, index in enumerate(way)))
    partners = dict(zip(chosen, fewer))
    for index, one in enumerate(more):
        partner = partners.get(index, ABSENT)
        yield (index, one, partner) if more is theirs else (index, partner, one)


def _kind(value: Any) -> str:
    """What a dict tells of: a model, an error, or just a dict."""
    return next((kind for kind in ("is", CAUGHT) if kind in value), "") if isinstance(value, dict) else ""


def _under(place: str, key: str) -> str:
    return "{}.{}".format(place, key) if place else key


def _last(place: str) -> str:
    return place.rpartition(".")[2]


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
