"""The requests, the results and the models of this SDK, compared with those of 1.1.0."""

import os
import sys
from typing import Any, Dict

import pytest

from tests.comparison import recording, sides
from tests.comparison.comparing import Difference, KnownDifference, differences, judge
from tests.comparison.constructions import constructions
from tests.comparison.known_differences import KNOWN_DIFFERENCES, MODELS, NEWER, RETYPED
from tests.comparison.plain import plain
from tests.comparison.record import COUNT, SEED

#: The number of models that a long run compares.
MANY = 20000


@pytest.fixture(scope="session")
def python_1_1_0() -> str:
    """The path of an interpreter with 1.1.0."""
    interpreter = os.environ.get("TARGET_SDK_1_1_0")
    if not interpreter:
        pytest.skip("1.1.0 is missing: set TARGET_SDK_1_1_0 to its interpreter (see tests/comparison/__init__.py)")
    return interpreter


@pytest.fixture(scope="session")
def ours() -> Dict[str, Any]:
    """The results of this SDK: all scenarios, by process."""
    return {process: sides.scenarios(sys.executable, process) for process in sides.PROCESSES}


@pytest.fixture(scope="session")
def our_models() -> Any:
    """The recorded constructions, built with this SDK."""
    return sides.models(sys.executable, constructions(recording.read(recording.SURFACE), COUNT, SEED))


def recording_of(names: Any) -> Dict[str, Any]:
    """Return the recording of these scenarios."""
    known = recording.read(recording.SCENARIOS)
    return {name: known[name] for name in names if name in known}


def as_text(found: Any) -> str:
    """Return differences, or entries of the list, as text."""
    return "\n".join(map(str, found))


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("process", sides.PROCESSES)
def test_every_difference_is_known(ours: Dict[str, Any], process: str) -> None:
    """The requests and results of a call are those of 1.1.0, except for the differences in the list."""
    found = differences(recording_of(ours[process]), ours[process])
    assert as_text(judge(found, KNOWN_DIFFERENCES).unexplained) == ""


@pytest.mark.slow
@pytest.mark.server
def test_every_entry_of_the_list_occurs(ours: Dict[str, Any]) -> None:
    """An entry without a difference must be removed, and so must a recorded scenario that no longer exists."""
    scenarios = {name: result for process in ours.values() for name, result in process.items()}
    known = recording.read(recording.SCENARIOS)
    assert sorted(set(known) - set(scenarios)) == []
    assert as_text(judge(differences(known, scenarios), KNOWN_DIFFERENCES).unused) == ""


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("process", sides.PROCESSES)
def test_1_1_0_still_gives_the_recorded_results(python_1_1_0: str, process: str) -> None:
    theirs = sides.scenarios(python_1_1_0, process)
    assert as_text(differences(recording_of(theirs), theirs)) == ""


@pytest.mark.slow
@pytest.mark.process
def test_models_declare_the_same_attributes(our_models: Any) -> None:
    """Wire names, constants and modules are equal. Only ``RETYPED`` types differ. ``NEWER`` attributes come last."""
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


@pytest.mark.slow
@pytest.mark.process
def test_every_difference_of_models_is_known(our_models: Any) -> None:
    theirs = recording.read(recording.MODELS)
    verdict = judge(differences(theirs, our_models["built"]), MODELS)
    assert len(theirs) == COUNT
    assert as_text(verdict.unexplained) == ""
    assert as_text(verdict.unused) == ""


def test_the_recorded_models_are_of_all_kinds() -> None:
    """More than 1,500 can be built and more than 300 cannot, and there are models of every class."""
    theirs = recording.read(recording.MODELS)
    refused = [name for name, built in theirs.items() if "caught as" in built["made"]]
    assert len(refused) > 300
    assert len(theirs) - len(refused) > 1500
    assert {name.split()[0] for name in theirs} == set(recording.read(recording.SURFACE))


@pytest.mark.slow
@pytest.mark.process
def test_1_1_0_still_builds_the_recorded_models(python_1_1_0: str) -> None:
    surface = recording.read(recording.SURFACE)
    theirs = sides.models(python_1_1_0, constructions(surface, COUNT, SEED))
    assert theirs["surface"] == surface
    assert as_text(differences(recording.read(recording.MODELS), theirs["built"])) == ""


@pytest.mark.process
@pytest.mark.soak
def test_every_difference_of_many_more_models_is_known(python_1_1_0: str) -> None:
    """The models are made from another seed."""
    many = constructions(recording.read(recording.SURFACE), MANY, SEED + 1)
    theirs, now = (sides.models(python, many)["built"] for python in (python_1_1_0, sys.executable))
    assert as_text(judge(differences(theirs, now), MODELS).unexplained) == ""


ENTRY = KnownDifference("B1", "a scenario", "result.x|other.y", "It is intended.", "1", "2")


def test_a_difference_that_is_not_in_the_list_is_reported() -> None:
    """An entry does not cover another place, another value or another scenario."""
    theirs = {"a scenario": {"result": {"x": 1, "y": 1, "z": [1, 2]}}, "another": {"result": {"x": 1}}}
    changed = {"a scenario": {"result": {"x": 2, "y": 3, "z": [1]}}, "another": {"result": {"x": 2}}}
    verdict = judge(differences(theirs, changed), [ENTRY])
    assert verdict.unexplained == [
        Difference("a scenario", "result.y", 1, 3),
        Difference("a scenario", "result.z.1", 2, "<absent>"),
        Difference("another", "result.x", 1, 2),
    ]
    assert verdict.unused == []


def test_an_entry_that_does_not_occur_is_reported() -> None:
    assert judge([], [ENTRY]).unused == [ENTRY]


def test_numbers_of_another_type_and_errors_of_another_class_differ() -> None:
    """1, 1.0 and True differ. Errors of the SDK may have more base classes than in 1.1.0; no error may have fewer."""
    was = {"caught as": ["ValueError"], "text": "no"}
    more = {"caught as": ["OptionError", "ValueError"], "text": "no"}
    ours = {"caught as": ["OptionError", "TargetError", "ValueError"], "text": "no"}
    assert len(differences({"a": [1, 1, 1]}, {"a": [1, 1.0, True]})) == 2
    assert differences({"a": was}, {"a": ours}) == []
    assert differences({"a": more}, {"a": was}) == [
        Difference("a", "caught as", ["OptionError", "ValueError"], ["ValueError"])
    ]
    foreign = {"caught as": ["AttributeError", "ValueError"], "text": "no"}
    assert differences({"a": was}, {"a": foreign}) == [
        Difference("a", "caught as", was["caught as"], foreign["caught as"])
    ]
    assert differences({"a": was}, {"a": {"text": "no"}}) == [Difference("a", "", was, {"text": "no"})]


def test_similar_elements_of_lists_are_compared() -> None:
    """An element that only one side has is reported as absent on the other."""
    theirs = [{"id": 4, "n": 1}, {"id": 14, "n": 1}, {"id": 1, "n": 2, "to": "<uuid of a>"}]
    ours = [{"id": 1, "n": 3, "to": "<uuid of a>"}]
    assert differences({"a": theirs}, {"a": ours}) == [
        Difference("a", "0", theirs[0], "<absent>"),
        Difference("a", "1", theirs[1], "<absent>"),
        Difference("a", "2.n", 2, 3),
    ]
    assert differences({"a": ours}, {"a": theirs})[-1] == Difference("a", "2.n", 3, 2)


def test_a_foreign_error_is_covered_only_if_the_entry_names_it() -> None:
    """A call that hangs is never covered."""
    entry = KnownDifference("B1", "*", "result*", "It is intended.", ".", ".")
    mine = {"caught as": ["OptionError", "TargetError", "ValueError"], "text": "no"}
    error = {"caught as": ["AttributeError"], "text": "no"}
    assert entry.explains(Difference("a", "result", 1, mine))
    assert not entry.explains(Difference("a", "result", 1, error))
    assert not entry.explains(Difference("a", "result", 1, {"given": [["err_callback", error]]}))
    assert not entry.explains(Difference("a", "result.caught as", ["ValueError"], ["AttributeError"]))
    assert not entry.explains(Difference("a", "result", 1, {"caught as": [], "text": "a plain Exception"}))
    assert not entry.explains(Difference("a", "result", 1, "nothing: it hangs"))
    assert entry._replace(ours="AttributeError").explains(Difference("a", "result", 1, error))
    assert not entry._replace(but="a|b").explains(Difference("a", "result", 1, mine))


def test_only_values_that_differ_from_run_to_run_become_placeholders() -> None:
    """Equal ids stay equal, and times keep their distance from the start. Other numbers and texts stay as they are."""
    first, other = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f", "ffffffff-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
    requests = {
        "a": [first, other, f"x {first} 0x7f00"],
        "b": {"soon": 1800001861, "now": 1800000000123, "text": "PC#v#1800000600", "long ago": 1700000000},
        "headers": {"content-length": "12", "x-exc-sdk-version": "2.0.0.dev0", "version": "2.0.0"},
        "url": "http://127.0.0.1:8080/x",
        "current_time": "0800",
        "when": ["2027-01-15T08:00:03", "2027-01-15T09:00:03"],
    }
    assert plain({"requests": requests}, 1800000000.5, "127.0.0.1:8080") == {
        "requests": {
            "a": ["<uuid of requests.a.0>", "<uuid of requests.a.1>", "x <uuid of requests.a.0> 0x…"],
            "b": {"soon": "<now+1860s>", "now": "<now+0ms>", "text": "PC#v#<now+600s>", "long ago": 1700000000},
            "headers": {"content-length": "<right>", "x-exc-sdk-version": "<version>", "version": "2.0.0"},
            "url": "http://<server>/x",
            "current_time": "<now, a str>",
            "when": ["<now>", "2027-01-15T09:00:03"],
        }
    }
