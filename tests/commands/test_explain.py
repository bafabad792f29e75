"""The command ``explain``."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Run
from tests.commands.test_program import Terminal

ACTIVITIES = {
    "client": "acmeclient",
    "geo": {"city": "PARIS"},
    "activities": [
        {
            "id": 1112,
            "name": "Two\x1b[2J",
            "locations": ["hero"],
            "audience": {"and": [{"==": [{"var": "mbox.member"}, "gold"]}, {"==": [{"var": "geo.city"}, "PARIS"]}]},
            "experiences": [{"name": "A", "offer": {"html": "a"}}, {"name": "B", "offer": {"html": "b"}}],
        },
        {"id": 2, "views": ["cart"], "property": "p", "experiences": [{"name": "C"}]},
    ],
}
HERO = [
    r"hero for visitor-3: no offer",
    r"""  activity 1112 "Two\x1b[2J": bucket 96.19 is in B (50 to 100), whose audience does not match""",
    "    NO   mbox.member is 'gold'    mbox.member = 'silver'",
    "    yes  geo.city is 'PARIS'",
]


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The path of a file of activities."""
    path = tmp_path / "activities.json"
    path.write_text(json.dumps(ACTIVITIES), encoding="utf-8")
    return str(path)


def test_the_locations_are_explained(run: Run, file: str) -> None:
    result = run("explain", file, "hero", "--visitor", "visitor-3.35_0", "--parameter", "member=silver")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == HERO


def test_all_locations_of_the_file_are_explained_by_default(run: Run, file: str) -> None:
    result = run("explain", file, "--cookie", "PC#visitor-3.35_0#9999999999", "--property", "p")
    assert [line for line in result.out.splitlines() if not line.startswith(" ")] == [
        "view cart for visitor-3: default content, C of activity 2 \"Activity 2\"",
        "hero for visitor-3: no offer",
    ]


def test_the_json_contains_the_clauses(run: Run, file: str) -> None:
    result = run("explain", file, "hero", "--visitor", "visitor-3", "--geo", "city=ROME", "--json")
    document = json.loads(result.out)
    clauses = document["locations"][0]["rules"][1]["clauses"]
    assert [clause["seen"] for clause in clauses] == [
        [{"name": "mbox.member", "value": None}], [{"name": "geo.city", "value": "ROME"}],
    ]  # fmt: skip


def test_a_rule_artifact_can_be_explained(run: Run, tmp_path: Path) -> None:
    rule = {"activityId": 5, "condition": {"==": [{"var": "page.path"}, "/shoes"]}, "consequence": {"options": []}}
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"version": "1.0.0", "rules": {"mboxes": {"hero": [rule]}}}), encoding="utf-8")
    result = run("explain", str(path), "hero", "other", "--visitor", "v", "--url", "https://example.com/shoes")
    assert result.out.splitlines()[0].startswith("hero for v: default content")
    assert "the artifact does not contain this mbox" in result.out
    assert "did you mean 'hero'?" in run("explain", str(path), "hreo").out


def test_a_terminal_shows_failed_clauses_in_red(
    run: Run, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    run("explain", file, "hero", "--visitor", "visitor-3")
    screen_lines = terminal.screen_text().splitlines()
    assert [line for line in screen_lines if line.startswith("\x1b[31m")] == [screen_lines[2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.json"], "missing.json: No such file or directory"),
        (["{file}", ""], "Invalid argument 'locations': item 0 is an empty string"),
        (["{file}", "hero", "crat"], "{file} has no mbox or view 'crat'; did you mean 'cart'?"),
        (
            ["{file}", "hero", "--geo", "town=PARIS"],
            "geo: unknown key 'town'; expected one of latitude, longitude, countryCode, stateCode, city",
        ),
    ],
)
def test_a_mistake_is_reported_in_one_line(run: Run, file: str, arguments: "list[str]", message: str) -> None:
    result = run("explain", *(each.format(file=file) for each in arguments))
    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: {message.format(file=file)}\n"
