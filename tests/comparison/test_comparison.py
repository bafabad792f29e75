"""Ours beside 1.1.0: what goes over the wire, what comes back, and every model."""

import os
import sys
from typing import Any, Dict

import pytest

from tests.comparison import recording, sides
from tests.comparison.comparing import Difference, Differs, differences, judged
from tests.comparison.constructions import constructions
from tests.comparison.known_differences import MODELS, NEWER, ON_PURPOSE, RETYPED
from tests.comparison.plain import plain
from tests.comparison.record import COUNT, SEED

#: Models that a long run compares.
MANY = 20000


@pytest.fixture(scope="session")
def python_1_1_0() -> str:
    """An interpreter that has 1.1.0."""
    named = os.environ.get("TARGET_SDK_1_1_0")
    if not named:
        pytest.skip("1.1.0 is missing: set TARGET_SDK_1_1_0 to its interpreter (see tests/comparison/__init__.py)")
    return named


@pytest.fixture(scope="session")
def ours() -> Dict[str, Any]:
    """Every scenario, by this interpreter, and by process."""
    return {process: sides.scenarios(sys.executable, process) for process in sides.PROCESSES}


@pytest.fixture(scope="session")
def our_models() -> Any:
    """The recorded constructions, by this interpreter."""
    return sides.models(sys.executable, constructions(recording.read(recording.SURFACE), COUNT, SEED))


def recorded(names: Any) -> Dict[str, Any]:
    """What was recorded of these scenarios."""
    known = recording.read(recording.SCENARIOS)
    return {name: known[name] for name in names if name in known}


def listed(found: Any) -> str:
    """Differences, or entries of the list, for a person to read."""
    return "\n".join(map(str, found))


@pytest.mark.server
@pytest.mark.parametrize("process", sides.PROCESSES)
def test_every_difference_is_on_purpose(ours: Dict[str, Any], process: str) -> None:
    """What a call sends and gives is what it was with 1.1.0, but for the list."""
    found = differences(recorded(ours[process]), ours[process])
    assert listed(judged(found, ON_PURPOSE).unexplained) == ""


@pytest.mark.server
def test_every_entry_of_the_list_occurs(ours: Dict[str, Any]) -> None:
    """An entry goes when its difference has gone; so does a scenario that is no more."""
    scenarios = {name: came for process in ours.values() for name, came in process.items()}
    known = recording.read(recording.SCENARIOS)
    assert sorted(set(known) - set(scenarios)) == []
    assert listed(judged(differences(known, scenarios), ON_PURPOSE).gone) == ""


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("process", sides.PROCESSES)
def test_the_recording_is_what_1_1_0_does(python_1_1_0: str, process: str) -> None:
    """The recorded side is the one that is installed."""
    theirs = sides.scenarios(python_1_1_0, process)
    assert listed(differences(recorded(theirs), theirs)) == ""


@pytest.mark.process
def test_models_declare_what_they_declared(our_models: Any) -> None:
    """Types, names on the wire, constants and modules of every class; newer attributes stand last, and in the list."""
    theirs, now = recording.read(recording.SURFACE), our_models["surface"]
    newer, retyped = {}, {}
    for name, was in theirs.items():
        count = len(was["types"])
        newer[name] = tuple(attribute for attribute, _ in now[name]["types"][count:])
        for (attribute, before), (same, after) in zip(was["types"], now[name]["types"]):
            assert attribute == same
            if before != after:
                retyped[name, attribute] = (before, after)
        assert {**now[name], "types": was["types"], "map": now[name]["map"][:count]} == was, name
    assert {name: attributes for name, attributes in newer.items() if attributes} == NEWER
    assert retyped == RETYPED


@pytest.mark.process
def test_every_difference_of_models_is_on_purpose(our_models: Any) -> None:
    """Random constructions, valid and not, do what they did."""
    theirs = recording.read(recording.MODELS)
    verdict = judged(differences(theirs, our_models["built"]), MODELS)
    assert len(theirs) == COUNT
    assert listed(verdict.unexplained) == ""
    assert listed(verdict.gone) == ""


def test_the_recorded_models_are_of_all_kinds() -> None:
    """Some thousand that can be built, some hundred that cannot, and every class among them."""
    theirs = recording.read(recording.MODELS)
    refused = [name for name, built in theirs.items() if "caught as" in built["made"]]
    assert len(refused) > 300
    assert len(theirs) - len(refused) > 1500
    assert {name.split()[0] for name in theirs} == set(recording.read(recording.SURFACE))


@pytest.mark.process
def test_the_recorded_models_are_what_1_1_0_builds(python_1_1_0: str) -> None:
    """The recorded side is the one that is installed."""
    surface = recording.read(recording.SURFACE)
    theirs = sides.models(python_1_1_0, constructions(surface, COUNT, SEED))
    assert theirs["surface"] == surface
    assert listed(differences(recording.read(recording.MODELS), theirs["built"])) == ""


@pytest.mark.soak
def test_many_more_models(python_1_1_0: str) -> None:
    """The same by other dice."""
    many = constructions(recording.read(recording.SURFACE), MANY, SEED + 1)
    theirs, now = (sides.models(python, many)["built"] for python in (python_1_1_0, sys.executable))
    assert listed(judged(differences(theirs, now), MODELS).unexplained) == ""


SOME = Difference("B1", "a scenario", "came.x|came.y", "It is meant.", "1", "2")


def test_a_difference_that_is_not_in_the_list_is_told() -> None:
    """Another place, another value and another scenario are not what was meant."""
    theirs = {"a scenario": {"came": {"x": 1, "y": 1, "z": [1, 2]}}, "another": {"came": {"x": 1}}}
    changed = {"a scenario": {"came": {"x": 2, "y": 3, "z": [1]}}, "another": {"came": {"x": 2}}}
    verdict = judged(differences(theirs, changed), [SOME])
    assert verdict.unexplained == [
        Differs("a scenario", "came.y", 1, 3),
        Differs("a scenario", "came.z.1", 2, "<absent>"),
        Differs("another", "came.x", 1, 2),
    ]
    assert verdict.gone == []


def test_an_entry_that_does_not_occur_is_told() -> None:
    """The list does not grow old."""
    assert judged([], [SOME]).gone == [SOME]


def test_numbers_of_another_kind_and_errors_of_another_class_differ() -> None:
    """1, 1.0 and True are three things; an error may be more than it was, but not less."""
    was = {"caught as": ["ValueError"], "text": "no"}
    more = {"caught as": ["OptionError", "ValueError"], "text": "no"}
    ours = {"caught as": ["OptionError", "TargetError", "ValueError"], "text": "no"}
    assert len(differences({"a": [1, 1, 1]}, {"a": [1, 1.0, True]})) == 2
    assert differences({"a": was}, {"a": ours}) == []
    assert differences({"a": more}, {"a": was}) == [
        Differs("a", "caught as", ["OptionError", "ValueError"], ["ValueError"])
    ]
    nobody = {"caught as": ["AttributeError", "ValueError"], "text": "no"}
    assert differences({"a": was}, {"a": nobody}) == [Differs("a", "caught as", was["caught as"], nobody["caught as"])]
    assert differences({"a": was}, {"a": {"text": "no"}}) == [Differs("a", "", was, {"text": "no"})]


def test_what_both_lists_have_stays_together() -> None:
    """An element that one side does not have is told as that, and the others are compared with their like."""
    theirs = [{"id": 4, "n": 1}, {"id": 14, "n": 1}, {"id": 1, "n": 2, "to": "<uuid of a>"}]
    ours = [{"id": 1, "n": 3, "to": "<uuid of a>"}]
    assert differences({"a": theirs}, {"a": ours}) == [
        Differs("a", "0", theirs[0], "<absent>"),
        Differs("a", "1", theirs[1], "<absent>"),
        Differs("a", "2.n", 2, 3),
    ]
    assert differences({"a": ours}, {"a": theirs})[-1] == Differs("a", "2.n", 3, 2)


def test_an_error_that_is_nobodys_is_never_meant() -> None:
    """It is where the entry names it; hanging never is."""
    entry = Difference("B1", "*", "came*", "It is meant.", ".", ".")
    mine = {"caught as": ["OptionError", "TargetError", "ValueError"], "text": "no"}
    error = {"caught as": ["AttributeError"], "text": "no"}
    assert entry.explains(Differs("a", "came", 1, mine))
    assert not entry.explains(Differs("a", "came", 1, error))
    assert not entry.explains(Differs("a", "came", 1, {"given": [["err_callback", error]]}))
    assert not entry.explains(Differs("a", "came.caught as", ["ValueError"], ["AttributeError"]))
    assert not entry.explains(Differs("a", "came", 1, {"caught as": [], "text": "a plain Exception"}))
    assert not entry.explains(Differs("a", "came", 1, "nothing: it hangs"))
    assert entry._replace(ours="AttributeError").explains(Differs("a", "came", 1, error))
    assert not entry._replace(but="a|b").explains(Differs("a", "came", 1, mine))


def test_only_what_differs_from_run_to_run_is_made_plain() -> None:
    """Ids keep their identity, times their distance; other numbers and texts are left alone."""
    one, other = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f", "ffffffff-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
    told = {
        "a": [one, other, "x {} 0x7f00".format(one)],
        "b": {"soon": 1800001861, "now": 1800000000123, "text": "PC#v#1800000600", "long ago": 1700000000},
        "headers": {"content-length": "12", "x-exc-sdk-version": "2.0.0.dev0", "version": "2.0.0"},
        "url": "http://127.0.0.1:8080/x",
        "current_time": "0800",
        "when": ["2027-01-15T08:00:03", "2027-01-15T09:00:03"],
    }
    assert plain({"asked": told}, 1800000000.5, "127.0.0.1:8080") == {
        "asked": {
            "a": ["<uuid of asked.a.0>", "<uuid of asked.a.1>", "x <uuid of asked.a.0> 0x…"],
            "b": {"soon": "<now+1860s>", "now": "<now+0ms>", "text": "PC#v#<now+600s>", "long ago": 1700000000},
            "headers": {"content-length": "<right>", "x-exc-sdk-version": "<version>", "version": "2.0.0"},
            "url": "http://<server>/x",
            "current_time": "<now, a str>",
            "when": ["<now>", "2027-01-15T09:00:03"],
        }
    }
