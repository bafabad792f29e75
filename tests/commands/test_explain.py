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


DEVICE = "PC#visitor-3.35_0#9999999999"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--visitor", DEVICE],
        ["--visitor", f"mbox=session#s#1|{DEVICE}"],
        ["--visitor", "session%23s%231%7CPC%23visitor-3.35_0%239999999999"],
        ["--visitor", " visitor-3 "],
        ["--cookie", f"{DEVICE}|session#s#9999999999"],
        ["--cookie", f"mbox={DEVICE}"],
        ["--cookie", f'Cookie: a=b; mbox="{DEVICE}"; c=d'],
        ["--cookie", f"a=b; mbox={DEVICE}; €=€"],
    ],
)
def test_a_copied_cookie_counts_as_the_id_in_it(run: Run, file: str, arguments: "list[str]") -> None:
    result = run("explain", file, "cart", *arguments)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("view cart for visitor-3: ")


HINT = "; put the cookie in quotes, because a shell treats '|' and ';' as the end of the command"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cookie", "session#s#1"], f"--cookie: no mbox cookie with a device id (PC#ID#EXPIRY){HINT}"),
        (["--cookie", "a=b"], f"--cookie: no mbox cookie with a device id (PC#ID#EXPIRY){HINT}"),
        (["--cookie", "PC#visitor-3"], "--cookie: no mbox cookie with a device id (PC#ID#EXPIRY)"),
        (
            ["--cookie", "PC#visitor-3#1"],
            "--cookie: the device id in the cookie has expired, and calls ignore it; to use it, pass only the id",
        ),
        (["--cookie", ""], "--cookie: expected a value, got an empty string"),
        (["--visitor", "session#s#9999999999"], "--visitor: no mbox cookie with a device id (PC#ID#EXPIRY)"),
        (
            ["--visitor", "visitor-3#1"],
            "--visitor: expected one id, got text with '#'; in the cookie 'mbox', the device id is between 'PC#' and "
            "the next '#'",
        ),
        (["--ecid", "MCMID|1"], "--ecid: expected one id, got text with '|'"),
        (["--third-party-id", DEVICE], "--third-party-id: expected an id, got a cookie"),
        (["--visitor", "a", "--cookie", DEVICE], "--cookie: not allowed with argument --visitor"),
        (
            ["--edge", "http://127.0.0.1:8080"],
            "--edge: expected a file, got the URL 'http://127.0.0.1:8080'; pass the file that the edge serves, or "
            "download its rules: curl -fo rules.json http://127.0.0.1:8080/acmeclient/production/v1/rules.json",
        ),
        (
            ["--edge", "127.0.0.1"],
            "--edge: expected a file, got the URL 'http://127.0.0.1'; pass the file that the edge serves, or "
            "download its rules: curl -fo rules.json http://127.0.0.1/acmeclient/production/v1/rules.json",
        ),
    ],
)  # fmt: skip
def test_a_value_that_is_not_an_id_is_an_error_that_names_the_argument(
    run: Run, file: str, arguments: "list[str]", message: str
) -> None:
    result = run("explain", file, *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.endswith(f"error: argument {message}\n")


def test_an_id_of_another_system_can_have_separators(run: Run, file: str) -> None:
    assert run("explain", file, "cart", "--third-party-id", "auth0|7").out.startswith("view cart for auth0|7: ")


def test_parameters_that_no_rule_reads_are_warnings(run: Run, file: str) -> None:
    result = run("explain", file, "hero", "--parameter", "membr=gold", "--parameter", "x=1", "--parameter", "member=a")
    assert result.code == 0
    assert result.err == (
        "warning: no rule reads the parameter 'membr'; did you mean 'member'?\n"
        "warning: no rule reads the parameter 'x'\n"
    )


def test_a_misspelled_option_has_a_suggestion(run: Run, file: str) -> None:
    result = run("explain", file, "hero", "--param=member=gold")
    assert result.err.endswith("error: unrecognized arguments: --param=member=gold; did you mean '--parameter'?\n")


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
        (
            ["https://cdn.example/a b/rules.json"],
            "expected a file, got the URL 'https://cdn.example/a b/rules.json'; download it: curl -fo rules.json "
            "'https://cdn.example/a b/rules.json'",
        ),
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
