"""The command ``artifact split``."""

import json
import sys
from typing import Any, Dict

import pytest

from tests.commands.conftest import Run, Save
from tests.commands.test_program import Terminal

ACTIVITIES: Dict[str, Any] = {
    "client": "mine",
    "activities": [
        {
            "id": 1,
            "name": "Gold",
            "locations": ["hero"],
            "audience": {"==": [{"var": "mbox.member"}, "gold"]},
            "experiences": [{"name": "A\x1b[2J", "share": 30}, {"name": "B", "share": 30}],
        },
        {"id": 2, "name": "Shop", "locations": ["hero"], "experiences": [{"share": 80}]},
    ],
}


def test_the_table_has_shares_and_intervals(run: Run, save: Save) -> None:
    result = run("artifact", "split", save(ACTIVITIES), "--visitors", 1000, "--parameter", "member=gold")
    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        "1000 visitors of client mine",
        "",
        "mbox hero",
        "activity experience expected measured 95 % interval visitors",
        "1 Gold A\\x1b[2J 30 % 25.6 % ! 22.99 % to 28.39 % 256 of 1000",
        "1 Gold B 30 % 31.1 % 28.31 % to 34.04 % 311 of 1000",
        "2 Shop A 80 % 81.29 % 77.35 % to 84.69 % 352 of 433",
        "no offer 8.1 % 6.56 % to 9.96 % 81",
        "",
        "! an expected share is outside its interval. This happens to 1 of 20 intervals by chance.",
    ]


def test_the_table_marks_audiences_that_do_not_match(run: Run, save: Save) -> None:
    result = run("artifact", "split", save(ACTIVITIES), "--visitors", 10)
    assert "1 Gold B not in the audience or property" in result.lines
    assert result.lines[-1].endswith("or use --all-audiences")
    assert run("artifact", "split", save(ACTIVITIES), "--all-audiences", "--visitors", 10).out.count(" of 10") == 2


def test_the_table_marks_an_activity_that_no_visitor_reaches(run: Run, save: Save) -> None:
    first = {"id": 1, "locations": ["hero"], "experiences": [{}]}
    result = run("artifact", "split", save({"activities": [first, ACTIVITIES["activities"][1]]}), "--visitors", 10)
    assert "2 Shop A 80 % not reached" in result.lines


def test_the_json_contains_the_client_and_the_activities(run: Run, save: Save) -> None:
    result = run("artifact", "split", save(ACTIVITIES), "--visitors", 1000, "--json", "--client", "other")
    document = json.loads(result.out)
    assert (document["client"], document["visitors"]) == ("other", 1000)
    assert [each["name"] for each in document["locations"][0]["activities"]] == ["Gold", "Shop"]


def test_rules_that_cannot_be_used_are_warnings(run: Run, save: Save) -> None:
    result = run("artifact", "split", save({"version": "1.0.0", "rules": {"mboxes": {"m": [{}]}}}), "--visitors", 10)
    assert result.code == 0
    assert result.err == "warning: skipped rule 0 of m: activityId: expected a number\n"


def test_parameters_that_no_rule_reads_are_warnings(run: Run, save: Save) -> None:
    arguments = "--visitors", 10, "--parameter", "membr=gold"
    assert run("artifact", "split", save(ACTIVITIES), *arguments).err == (
        "warning: no rule reads the parameter 'membr'; did you mean 'member'?\n"
    )


def test_progress_is_shown_on_a_terminal(run: Run, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert run("artifact", "split", save(ACTIVITIES), "--visitors", 10).code == 0
    assert terminal.screen_text() == "\r0 of 10 visitors (0 %)\x1b[K\r\x1b[K"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "rules.json, line 1, column 2: invalid JSON: Expecting property name enclosed in double quotes\n"),
        (
            {"version": "2", "rules": {}},
            "rules.json: not a rule artifact: The decisioning artifact version (2) is not supported.",
        ),
        (
            {"version": "1.0.0", "meta": {"clientCode": 1}, "rules": {}},
            "rules.json: meta.clientCode: expected a non-empty string, got 1\n",
        ),
        ({"activities": 1}, "rules.json: activities: expected a list, got 1\n"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error(run: Run, save: Save, content: object, message: str) -> None:
    result = run("artifact", "split", save(content))  # type: ignore[arg-type]
    assert (result.code, result.out) == (2, "")
    assert message in result.err


@pytest.mark.skipif(not hasattr(sys, "set_int_max_str_digits"), reason="this version of Python reads such integers")
def test_a_file_with_an_integer_that_is_too_long_is_an_error(run: Run, save: Save) -> None:
    path = save('{"activities": [' + "9" * 5000 + "]}")
    assert run("artifact", "split", path) == (2, "", f"error: {path}: expected JSON with shorter numbers\n")


def test_the_visitors_have_the_geo_of_the_file(run: Run, save: Save) -> None:
    audience = {"==": [{"var": "geo.city"}, "PARIS"]}
    activity = {"id": 1, "locations": ["hero"], "audience": audience, "experiences": [{}]}
    path = save({"geo": {"city": "PARIS"}, "activities": [activity]})
    assert "10 of 10" in run("artifact", "split", path, "--visitors", 10).out
    assert "10 of 10" not in run("artifact", "split", path, "--visitors", 10, "--geo", "city=ROME").out


@pytest.mark.parametrize("arguments", [["."], ["missing.json"]])
def test_a_file_that_cannot_be_read_is_an_error(run: Run, arguments: "list[str]") -> None:
    result = run("artifact", "split", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {arguments[0]}: ")


def test_artifact_without_a_command_is_an_error(run: Run) -> None:
    result = run("artifact")
    assert result.code == 2
    assert result.err.endswith("error: the following arguments are required: COMMAND\n")
