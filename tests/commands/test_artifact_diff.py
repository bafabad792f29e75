"""The command ``artifact diff``."""

import json
from typing import Any, Dict, List

import pytest

from tests.commands.conftest import Run, Save


def activities(share: int, audience: object = None) -> Dict[str, Any]:
    """Return a file of activities with one A/B test in the mbox ``hero``."""
    experiences: List[Any] = [{"name": "A\x1b[2J", "share": share}, {"name": "B", "share": 100 - share}]
    activity = {"id": 1, "name": "One", "locations": ["hero"], "audience": audience, "experiences": experiences}
    return {"client": "mine", "activities": [activity]}


IS_GOLD = {"==": [{"var": "mbox.member"}, "gold"]}


def test_the_output_has_the_changes_and_the_affected_share(run: Run, save: Save) -> None:
    result = run("artifact", "diff", save(activities(50), "old.json"), save(activities(60), "new.json"))
    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        "activity 1 'One'",
        "share of 'A\\x1b[2J' is 60 % (buckets 0 to 60), was 50 % (buckets 0 to 50)",
        "share of 'B' is 40 % (buckets 60 to 100), was 50 % (buckets 50 to 100)",
        "",
        "visitors affected another experience another offer",
        "mbox hero 10 % 0 % exact",
    ]


def test_the_output_says_that_a_share_is_simulated(run: Run, save: Save) -> None:
    files = save(activities(50), "old.json"), save(activities(50, IS_GOLD), "new.json")
    result = run("artifact", "diff", *files, "--simulate", 400)
    assert result.lines[1] == "audience: mbox.member is 'gold' (was: every visitor)"
    assert "simulated, " in result.lines[4]
    assert result.lines[5] == (
        "simulated: with 400 visitors, whose attributes are drawn from the values in the audiences; "
        "95 % confidence interval"
    )
    result = run("artifact", "diff", *files, "--parameter", "member=gold")
    assert result.lines[-1] == "no visitor gets another experience or offer"
    assert run("artifact", "diff", *files, "--parameter", "member=no").lines[-1] == "mbox hero 100 % 0 % exact"


def test_the_output_has_the_changes_of_given_visitors(run: Run, save: Save) -> None:
    files = save(activities(50), "old.json"), save(activities(90), "new.json")
    ids = save("visitor-1\n\nvisitor-2\nvisitor-3\nvisitor-4\n", "ids.txt")
    result = run("artifact", "diff", *files, "--visitors", ids, "--visitor", "visitor-5")
    table = result.lines[result.lines.index("visitor location before after") - 1 :]
    changed = [line.split()[0] for line in table[2:]]
    assert table[0] == f"{len(changed)} of 5 given visitors get another experience or offer"
    assert changed
    assert set(table[2:]) == {f"{visitor} mbox hero One: B One: A\\x1b[2J" for visitor in changed}
    result = run("artifact", "diff", *files, "--visitors", ids, "--json")
    document = json.loads(result.out)
    assert [each["visitor"] for each in document["visitors"]] == [each for each in changed if each != "visitor-5"]
    assert document["affected"][0]["method"] == "exact"
    assert len(document["changes"]) == 2


def test_the_output_says_that_there_are_no_changes(run: Run, save: Save) -> None:
    path = save(activities(50))
    result = run("artifact", "diff", path, path, "--visitor", "a")
    assert result.lines == [
        "no changes",
        "",
        "no visitor gets another experience or offer",
        "",
        "0 of 1 given visitors get another experience or offer",
    ]


@pytest.mark.parametrize("name", [".", "missing.txt"])
def test_a_file_of_ids_that_cannot_be_read_is_an_error(run: Run, save: Save, name: str) -> None:
    path = save(activities(50))
    result = run("artifact", "diff", path, path, "--visitors", path.parent / name)
    assert result.code == 2
    assert result.err.startswith(f"error: {path.parent / name}: ")


def test_a_file_of_ids_that_is_not_text_is_an_error(run: Run, save: Save) -> None:
    path = save(activities(50))
    ids = path.with_name("ids")
    ids.write_bytes(b"\xff")
    result = run("artifact", "diff", path, path, "--visitors", ids)
    assert (result.code, result.err) == (2, f"error: {ids}: expected a file in UTF-8\n")


def test_ids_can_be_copied_cookies(run: Run, save: Save) -> None:
    files = save(activities(99), "old.json"), save(activities(1), "new.json")
    ids = save("\nPC#visitor-3.35_0#9999999999\n", "ids.txt")
    visitors = json.loads(run("artifact", "diff", *files, "--visitors", ids, "--json").out)["visitors"]
    assert [each["visitor"] for each in visitors] == ["visitor-3.35_0"]


def test_a_line_that_is_not_an_id_is_an_error(run: Run, save: Save) -> None:
    path, ids = save(activities(50)), save("visitor-1\nvisitor-2,visitor-3\n", "ids.txt")
    result = run("artifact", "diff", path, path, "--visitors", ids)
    assert result.code == 2
    assert result.err.startswith(f"error: {ids}, line 2: expected one id, got text with ','")


def test_a_parameter_of_one_of_the_files_is_known(run: Run, save: Save) -> None:
    files = save(activities(50, IS_GOLD), "old.json"), save(activities(50), "new.json")
    assert run("artifact", "diff", *files, "--parameter", "member=gold").err == ""
    assert run("artifact", "diff", *files, "--parameter", "plan=gold").err == (
        "warning: no rule reads the parameter 'plan'\n"
    )


def test_repeated_ids_are_used_once(run: Run, save: Save) -> None:
    files = save(activities(50), "old.json"), save(activities(90), "new.json")
    result = run(
        "artifact", "diff", *files, "--visitors", save("visitor-3\nvisitor-3\nvisitor-1\n", "ids.txt"), "--json"
    )
    visitors = [each["visitor"] for each in json.loads(result.out)["visitors"]]
    assert len(visitors) == len(set(visitors)) > 0


def test_an_empty_file_of_ids_is_an_error(run: Run, save: Save) -> None:
    path, ids = save(activities(50)), save("\n", "ids.txt")
    result = run("artifact", "diff", path, path, "--visitors", ids)
    assert (result.code, result.err) == (2, f"error: no visitor ids in {ids}\n")


def test_a_hint_says_that_the_given_visitors_have_no_attributes(run: Run, save: Save) -> None:
    files = save(activities(50), "old.json"), save(activities(60, IS_GOLD), "new.json")
    hint = "the given visitors have no attributes; describe them, for example with --parameter"
    assert run("artifact", "diff", *files, "--visitor", "visitor-1", "--simulate", 10).lines[-1] == hint
    assert hint not in run("artifact", "diff", *files, "--visitor", "visitor-1", "--parameter", "member=gold").out


def test_the_additional_bucket_of_the_first_experience_is_not_shown(run: Run, save: Save) -> None:
    """The first experience also has bucket 0, so its exact share is 20.01 %."""
    old, new = activities(20), {"client": "mine", "activities": []}
    del old["activities"][0]["experiences"][1]
    result = run("artifact", "diff", save(old, "old.json"), save(new, "new.json"))
    assert result.lines[-1] == "mbox hero 20 % 0 % exact"
