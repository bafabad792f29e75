"""The command ``artifact check``."""

import json

from tests.commands.conftest import Run, Save

TYPO = {
    "activities": [
        {
            "id": 1,
            "locations": ["hero"],
            "audience": {"and": [{"==": [{"var": "user.browserType"}, "Chrome\x1b"]}]},
            "experiences": [{"name": "A", "offer": {"redirect": "a\x1b[2J"}}],
        }
    ]
}
PLACES = ["activities[0].audience.and[0].==[1]", "activities[0].experiences[0].offer.redirect"]


def test_findings_are_lines_with_their_places(run: Run, save: Save) -> None:
    path = save(TYPO)
    done = run("artifact", "check", path)
    assert (done.code, done.err) == (1, "")
    *findings, last = done.out.splitlines()
    assert [finding.split(": ")[0] for finding in findings] == PLACES
    assert last == f"{path}: 2 findings"
    assert done.out.replace("\n", "").isprintable()


def test_json(run: Run, save: Save) -> None:
    path = save(TYPO)
    done = run("artifact", "check", path, "--json")
    shown = json.loads(done.out)
    assert done.code == 1
    assert shown["file"] == str(path)
    assert [finding["place"] for finding in shown["findings"]] == PLACES


def test_a_file_without_a_mistake(run: Run, save: Save) -> None:
    path = save({"activities": []})
    assert run("artifact", "check", path) == (0, f"{path}: no findings\n", "")


def test_invalid_json_is_a_finding(run: Run, save: Save) -> None:
    done = run("artifact", "check", save('{"a": 1\n "b"}'))
    assert done.code == 1
    assert done.out.startswith("line 2, column 2: invalid JSON: Expecting ',' delimiter\n")


def test_a_file_that_cannot_be_read_is_wrong_usage(run: Run, save: Save) -> None:
    path = save("{}").parent
    assert run("artifact", "check", path) == (2, "", f"error: {path}: Is a directory\n")
    assert run("artifact", "check", path / "no").err == f"error: {path / 'no'}: No such file or directory\n"
