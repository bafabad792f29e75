"""The list of differences on purpose lets little else pass: the recorded side, mutated place by place, is refused."""

import random
import re
from typing import Any, Iterator, List, NamedTuple, Sequence, Tuple

import pytest

from tests.comparison import recording
from tests.comparison.comparing import ABSENT, Difference, Differs
from tests.comparison.known_differences import MODELS, ON_PURPOSE
from tests.comparison.record import SEED

LISTS = pytest.mark.parametrize(
    "known, on_purpose", [(recording.SCENARIOS, ON_PURPOSE), (recording.MODELS, MODELS)], ids=["scenarios", "models"]
)
#: What ours might say instead, anywhere.
INSTEAD: Tuple[Any, ...] = ("zzz-mutant", None, ABSENT, 999, "", [], {}, True)
BOOM = {"caught as": ["AttributeError"], "text": "'NoneType' object has no attribute 'x'"}
#: How many mutations are tried, and which share of them the list may excuse: nearly all of those are meant.
SAMPLE, SHARE = 20000, 0.005


class Sample(NamedTuple):
    """Some of all mutations, and those of them that the list takes for meant."""

    tried: int
    excused: List[Differs]


def places(value: Any, place: str = "") -> Iterator[Tuple[str, Any]]:
    """Every place of what was recorded, with what is there."""
    yield place, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, "{}.{}".format(place, key).lstrip("."))


def is_excused(one: Differs, on_purpose: Sequence[Difference]) -> bool:
    """Whether any entry takes it for meant."""
    return any(entry.explains(one) for entry in on_purpose)


def excused(known: Any, on_purpose: Sequence[Difference], instead: Sequence[Any]) -> Sample:
    """What comes of the seeded sample."""
    every = [(name, *found) for name, value in known.items() for found in places(value)]
    dice = random.Random(SEED)
    mutated = []
    for _ in range(SAMPLE):
        name, place, theirs = every[int(dice.random() * len(every))]
        ours = instead[int(dice.random() * len(instead))]
        if type(ours) is not type(theirs) or ours != theirs:
            mutated.append(Differs(name, place, theirs, ours))
    return Sample(len(mutated), [one for one in mutated if is_excused(one, on_purpose)])


@pytest.mark.slow
@LISTS
def test_hardly_any_mutation_is_excused(known: Any, on_purpose: Sequence[Difference]) -> None:
    """Another value at any place is told, but for the value that is meant there."""
    sample = excused(recording.read(known), on_purpose, INSTEAD)
    assert sample.tried > 0.9 * SAMPLE
    assert len(sample.excused) / sample.tried < SHARE, "\n".join(map(str, sample.excused))


@pytest.mark.slow
@LISTS
def test_no_error_of_nobody_is_excused(known: Any, on_purpose: Sequence[Difference]) -> None:
    """An AttributeError of ours is never meant, wherever it comes."""
    assert excused(recording.read(known), on_purpose, [BOOM]).excused == []


def test_no_whole_outcome_is_excused() -> None:
    """A scenario of which nothing comes, or an error, fails, every one of them."""
    known = recording.read(recording.SCENARIOS)
    outcomes = [
        Differs(name, "came", was["came"], ours) for name, was in known.items() for ours in (None, ABSENT, BOOM, "", {})
    ]
    assert [one for one in outcomes if one.theirs != one.ours and is_excused(one, ON_PURPOSE)] == []


#: Scenarios whose last request is not sent, on purpose.
UNSENT = {
    "deciding: on-device, an mbox nobody knows, executed",
    "deciding: on-device, not a browser's audience",
    "deciding: on-device, not a page's audience",
    "deciding: on-device, telemetry on",
    "odd answers: another host",
    "options and events: options, customer_ids are a text",
    "options and events: options of get_attributes: a callback that is none",
    "options and events: options of get_attributes: names are a text",
    "options and events: options of get_offers: an err_callback that is none",
    "options and events: options of get_offers: another decisioning method",
}


def test_requests_that_are_not_sent_are_few() -> None:
    """A request that is missing fails its scenario, but for those that are listed here."""
    known = recording.read(recording.SCENARIOS)
    last = [(name, len(was["asked"]) - 1, was["asked"]) for name, was in known.items() if was["asked"]]
    unsent = [Differs(name, "asked.{}".format(index), asked[index], ABSENT) for name, index, asked in last]
    assert {one.scenario for one in unsent if is_excused(one, ON_PURPOSE)} == UNSENT


def test_every_entry_says_what_is_there() -> None:
    """Both sides are told, and neither as anything that may come."""
    vague = [
        entry
        for entry in (*ON_PURPOSE, *MODELS)
        for side in (entry.theirs, entry.ours)
        if not side or re.search(side, '"zzz-mutant"')
    ]
    assert vague == []


@pytest.mark.slow
def test_a_wide_entry_is_told() -> None:
    """One that lets a whole answer pass excuses far more than the share."""
    wide = Difference("", "deciding: *", "came*", "", ".", ".")
    known = {name: was for name, was in recording.read(recording.SCENARIOS).items() if name.startswith("deciding: ")}
    sample = excused(known, [wide], INSTEAD)
    assert len(sample.excused) / sample.tried > 0.5
    assert excused(known, [wide], [BOOM]).excused == []
    assert excused(known, [wide._replace(ours="AttributeError")], [BOOM]).excused != []
