"""Compare two sides place by place, and look the differences up in a list of known ones.

A place is the path of a value, such as ``result.response.execute.mboxes.0.name``. ``theirs`` is the side of 1.1.0, or
of the SDK for Node.js (``tests/node_sdk``); ``ours`` is the side of this SDK.
"""

import fnmatch
import functools
import itertools
import json
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Pattern, Sequence, Set

#: The value of a key or an element that one side lacks.
ABSENT = "<absent>"
NEVER_INTENDED = re.compile("ImportError|ModuleNotFoundError|nothing: it hangs")
#: This SDK may raise errors of these classes. An entry must name any other error.
SDK_ERRORS = {"TargetError", "OpenApiException"}
#: The maximum number of alignments that are tried for two lists.
MAX_ALIGNMENTS = 2000
#: The key of the class names of an error.
CAUGHT = "caught as"


class Difference(NamedTuple):
    """A place where the two sides differ."""

    scenario: str
    place: str
    theirs: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.scenario} | {self.place}\n    theirs: {_short(self.theirs)}\n    ours:   {_short(self.ours)}"


class KnownDifference(NamedTuple):
    """An intended difference: the number or topic under which it is documented, where it occurs, and why.

    ``scenario``, ``place`` and ``but`` (the scenarios to exclude) are patterns of ``fnmatch``, separated by ``|``.
    ``theirs`` and ``ours`` are regular expressions, searched for in the JSON of each side.
    """

    number: str
    scenario: str
    place: str
    why: str
    theirs: str
    ours: str
    but: str = ""

    def explains(self, found: Difference) -> bool:
        """Return whether this entry covers ``found``."""
        return (
            _matches(self.scenario, found.scenario)
            and _matches(self.place, found.place)
            and not _matches(self.but, found.scenario)
            and re.search(self.theirs, _text(found.theirs)) is not None
            and re.search(self.ours, _text(found.ours)) is not None
            and not self._is_never_intended(found)
        )

    def _is_never_intended(self, found: Difference) -> bool:
        """Return whether this SDK hangs, fails to import, or raises a foreign error that the entry does not name."""
        if NEVER_INTENDED.search(_text(found.ours)):
            return True
        ours = {CAUGHT: found.ours} if _last(found.place) == CAUGHT else found.ours
        return any(not SDK_ERRORS & names and not any(name in self.ours for name in names) for names in _errors(ours))


def _matches(patterns: str, text: str) -> bool:
    return _pattern(patterns).match(text) is not None


@functools.lru_cache(maxsize=None)
def _pattern(patterns: str) -> Pattern[str]:
    # Nothing needs to be escaped: the names of scenarios contain no wildcards, and places contain no brackets.
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns.split("|")))


def _errors(value: Any) -> Iterator[Set[str]]:
    """Yield the class names of each error in ``value``."""
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


def differences(theirs: Dict[str, Any], ours: Dict[str, Any]) -> List[Difference]:
    """Return every place where the scenarios of the two sides differ."""
    found: List[Difference] = []
    for scenario in sorted({*theirs, *ours}):
        pair = theirs.get(scenario, ABSENT), ours.get(scenario, ABSENT)
        found.extend(Difference(scenario, *each) for each in between("", *pair))
    return found


def between(place: str, theirs: Any, ours: Any) -> Iterator[Any]:
    """Yield the place and both values of every difference between two JSON values."""
    if _kind(theirs) == _kind(ours) == CAUGHT:
        was, now = set(theirs[CAUGHT]), set(ours[CAUGHT])
        if was == now or (was < now and SDK_ERRORS & now):
            # Errors of the SDK may have more base classes: an ``except`` for a class of the other side still works.
            ours = {**ours, CAUGHT: theirs[CAUGHT]}
    if isinstance(theirs, dict) and isinstance(ours, dict) and _kind(theirs) == _kind(ours):
        for key in sorted({*theirs, *ours}):
            yield from between(_under(place, key), theirs.get(key, ABSENT), ours.get(key, ABSENT))
    elif isinstance(theirs, list) and isinstance(ours, list) and _last(place) != CAUGHT:
        for index, was, now in _aligned(theirs, ours):
            yield from between(_under(place, str(index)), was, now)
    elif type(theirs) is not type(ours) or theirs != ours:
        yield place, theirs, ours


def _aligned(theirs: List[Any], ours: List[Any]) -> Iterator[Any]:
    """Yield pairs of elements with an index. If one side has more, pair the most similar elements."""
    more, fewer = (theirs, ours) if len(theirs) >= len(ours) else (ours, theirs)
    unlike = {
        (index, other): sum(1 for _ in between("", each, another)) if len(more) > len(fewer) else 0
        for index, each in enumerate(more)
        for other, another in enumerate(fewer)
    }
    alignments = itertools.islice(itertools.combinations(range(len(more)), len(fewer)), MAX_ALIGNMENTS)
    chosen = min(alignments, key=lambda indexes: sum(unlike[index, other] for other, index in enumerate(indexes)))
    partners = dict(zip(chosen, fewer))
    for index, each in enumerate(more):
        partner = partners.get(index, ABSENT)
        yield (index, each, partner) if more is theirs else (index, partner, each)


def _kind(value: Any) -> str:
    """Return the key that marks a dict as a model or an error, or ``""``."""
    return next((kind for kind in ("is", CAUGHT) if kind in value), "") if isinstance(value, dict) else ""


def _under(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _last(place: str) -> str:
    return place.rpartition(".")[2]


class Verdict(NamedTuple):
    """The differences that no entry explains, and the entries that explain none."""

    unexplained: List[Difference]
    unused: List[KnownDifference]


def judge(found: Sequence[Difference], known: Sequence[KnownDifference]) -> Verdict:
    """Look up each difference in the list of known ones, and return the verdict."""
    used = set()
    unexplained = []
    for each in found:
        reasons = [index for index, entry in enumerate(known) if entry.explains(each)]
        used.update(reasons)
        if not reasons:
            unexplained.append(each)
    return Verdict(unexplained, [entry for index, entry in enumerate(known) if index not in used])
