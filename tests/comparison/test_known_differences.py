"""The list excuses hardly any difference but the known ones: almost every random change of a recording is reported."""

import random
import re
from typing import Any, Iterator, List, NamedTuple, Sequence, Tuple

import pytest

from tests.comparison import recording
from tests.comparison.comparing import ABSENT, Difference, KnownDifference
from tests.comparison.known_differences import DESCRIBED, KNOWN_DIFFERENCES, MODELS
from tests.comparison.record import SEED
from tests.support import ROOT

LISTS = pytest.mark.parametrize(
    "known, known_differences",
    [(recording.SCENARIOS, KNOWN_DIFFERENCES), (recording.MODELS, MODELS)],
    ids=["scenarios", "models"],
)
#: Values to put at random places of the recording.
REPLACEMENTS: Tuple[Any, ...] = ("zzz-mutant", None, ABSENT, 999, "", [], {}, True)
FOREIGN_ERROR = {"caught as": ["AttributeError"], "text": "'NoneType' object has no attribute 'x'"}
#: The largest share of mutations that the list may excuse. A few mutations happen to be known differences.
SHARE = 0.005
#: The number of mutations.
COUNTS = pytest.mark.parametrize("count", [5000, pytest.param(20000, marks=pytest.mark.fuzz)])


class Sample(NamedTuple):
    """The number of mutations, and those that the list excuses."""

    tried: int
    excused: List[Difference]


def places(value: Any, place: str = "") -> Iterator[Tuple[str, Any]]:
    """Yield every place of a recorded value, with the value there."""
    yield place, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, f"{place}.{key}".lstrip("."))


def is_excused(each: Difference, known_differences: Sequence[KnownDifference]) -> bool:
    """Return whether an entry covers the difference."""
    return any(entry.explains(each) for entry in known_differences)


def find_excused(
    known: Any, known_differences: Sequence[KnownDifference], replacements: Sequence[Any], count: int
) -> Sample:
    """Change the recording at random places; return the number of changes, and those that the list excuses."""
    all_places = [(name, *found) for name, value in known.items() for found in places(value)]
    rng = random.Random(SEED)
    mutated = []
    for _ in range(count):
        name, place, theirs = all_places[int(rng.random() * len(all_places))]
        ours = replacements[int(rng.random() * len(replacements))]
        if type(ours) is not type(theirs) or ours != theirs:
            mutated.append(Difference(name, place, theirs, ours))
    return Sample(len(mutated), [each for each in mutated if is_excused(each, known_differences)])


@pytest.mark.slow
@COUNTS
@LISTS
def test_hardly_any_mutation_is_excused(known: Any, known_differences: Sequence[KnownDifference], count: int) -> None:
    sample = find_excused(recording.read(known), known_differences, REPLACEMENTS, count)
    assert sample.tried > 0.9 * count
    assert len(sample.excused) / sample.tried < SHARE, "\n".join(map(str, sample.excused))


@pytest.mark.slow
@COUNTS
@LISTS
def test_no_foreign_error_is_excused(known: Any, known_differences: Sequence[KnownDifference], count: int) -> None:
    """An ``AttributeError`` is reported at every place."""
    assert find_excused(recording.read(known), known_differences, [FOREIGN_ERROR], count).excused == []


@pytest.mark.slow
def test_no_whole_outcome_is_excused() -> None:
    """Every scenario fails if it returns nothing, an empty value or an ``AttributeError``."""
    known = recording.read(recording.SCENARIOS)
    outcomes = [
        Difference(name, "result", was["result"], ours)
        for name, was in known.items()
        for ours in (None, ABSENT, FOREIGN_ERROR, "", {})
    ]
    assert [each for each in outcomes if each.theirs != each.ours and is_excused(each, KNOWN_DIFFERENCES)] == []


#: Scenarios whose last request in 1.1.0 is one that this SDK intentionally does not send.
UNSENT = {
    "deciding: on-device, an unknown mbox, executed",
    "deciding: on-device, outside a browser's audience",
    "deciding: on-device, outside a page's audience",
    "odd answers: another host",
    "options and events: options of get_attributes: a callback that is not callable",
    "options and events: options of get_attributes: names are a text",
    "options and events: options of get_offers: an err_callback that is not callable",
    "options and events: options of get_offers: another decisioning method",
    "options and events: options of get_offers: mboxes without a name",
    "options and events: options of get_offers: neither execute nor prefetch",
    "options and events: options, a negative timeout",
    "options and events: options, customer_ids are a text",
}


def test_a_missing_last_request_is_reported() -> None:
    """Only the scenarios in ``UNSENT`` may lack their last request."""
    known = recording.read(recording.SCENARIOS)
    last = [(name, len(was["requests"]) - 1, was["requests"]) for name, was in known.items() if was["requests"]]
    unsent = [Difference(name, f"requests.{index}", asked[index], ABSENT) for name, index, asked in last]
    assert {each.scenario for each in unsent if is_excused(each, KNOWN_DIFFERENCES)} == UNSENT


def test_every_entry_describes_both_sides() -> None:
    """No pattern matches an arbitrary value."""
    vague = [
        entry
        for entry in (*KNOWN_DIFFERENCES, *MODELS)
        for side in (entry.theirs, entry.ours)
        if not side or re.search(side, '"zzz-mutant"')
    ]
    assert vague == []


def test_the_migration_guide_describes_every_entry() -> None:
    """The guide contains the words that ``DESCRIBED`` has for an entry, or else the number of the entry."""
    guide = " ".join((ROOT / "docs" / "migrating-from-1.1.md").read_text(encoding="utf-8").split())
    numbers = {entry.number for entry in (*KNOWN_DIFFERENCES, *MODELS)}
    unexplained = {number for number in numbers - set(DESCRIBED) if not re.search(rf"\b{number}\b", guide)}
    assert unexplained == set()
    assert [words for each in DESCRIBED.values() for words in each if words not in guide] == []
    assert set(DESCRIBED) <= numbers


@pytest.mark.slow
def test_a_broad_entry_excuses_too_many_mutations() -> None:
    """An entry that covers whole results excuses far more than ``SHARE``."""
    wide = KnownDifference("", "deciding: *", "result*", "", ".", ".")
    known = {name: was for name, was in recording.read(recording.SCENARIOS).items() if name.startswith("deciding: ")}
    sample = find_excused(known, [wide], REPLACEMENTS, 5000)
    assert len(sample.excused) / sample.tried > 0.5
    assert find_excused(known, [wide], [FOREIGN_ERROR], 5000).excused == []
    assert find_excused(known, [wide._replace(ours="AttributeError")], [FOREIGN_ERROR], 5000).excused != []
