"""The command ``artifact check``."""

import json

from tests.commands.conftest import Run, Save

ARTIFACT = {
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
    path = save(ARTIFACT)
    result = run("artifact", "check", path)
    assert (result.code, result.err) == (1, "")
    *findings, last = result.out.splitlines()
    assert [finding.split(": ")[0] for finding in findings] == PLACES
    assert last == f"{path}: 2 findings"
    assert result.out.replace("\n", "").isprintable()


def test_the_json_contains_the_findings(run: Run, save: Save) -> None:
    path = save(ARTIFACT)
    result = run("artifact", "check", path, "--json")
    document = json.loads(result.out)
    assert result.code == 1
    assert document["file"] == str(path)
    assert [finding["place"] for finding in document["findings"]] == PLACES


def test_a_file_without_a_mistake_has_no_findings(run: Run, save: Save) -> None:
    path = save({"activities": []})
    assert run("artifact", "check", path) == (0, f"{path}: no findings\n", "")


def test_invalid_json_is_a_finding(run: Run, save: Save) -> None:
    result = run("artifact", "check", save('{"a": 1\n "b"}'))
    assert result.code == 1
    assert result.out.startswith("line 2, column 2: invalid JSON: Expecting ',' delimiter\n")


def test_a_file_that_cannot_be_read_is_wrong_usage(run: Run, save: Save) -> None:
    path = save("{}").parent
    assert run("artifact", "check", path) == (2, "", f"error: {path}: Is a directory\n")
    assert run("artifact", "check", path / "no").err == f"error: {path / 'no'}: No such file or directory\n"
    url = "http://127.0.0.1:8080"
    assert run("artifact", "check", url).err.startswith(f"error: expected a file, got the URL '{url}'; ")
