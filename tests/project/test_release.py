"""The check before a release, and the pinned actions and permissions of the workflows."""

import re
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from tests.support import installing

release_check = pytest.importorskip("scripts.release_check", reason="only in a checkout")

COMPLETE = "[metadata]\nauthor = A\nauthor_email = a@example.com\nurl = https://example.com\n"
PINNED = re.compile(r"(?P<action>[\w-]+/[\w-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def tree(folder: Path, metadata: str = COMPLETE, version: str = "2.0.0", heading: str = "[2.0.0] - 2026-12-01") -> Path:
    """Write the files that the check reads, and commit them."""
    (folder / "target_python_sdk").mkdir()
    (folder / "target_python_sdk" / "version.py").write_text(f'__version__ = "{version}"\n')
    (folder / "setup.cfg").write_text(metadata)
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n## {heading}\n\nText.\n\n## [1.1.0]\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.mark.process
def test_a_complete_commit_can_be_released(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release_check.main(tree(tmp_path)) == 0
    assert capsys.readouterr().out == "2.0.0 can be released, if the checks of its distributions pass\n"


@pytest.mark.process
def test_each_problem_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tree(tmp_path, "[metadata]\nauthor =\nurl = \n", "2.1.0.dev0")
    (folder / "new.py").touch()
    assert release_check.main(folder) == 1
    assert capsys.readouterr().err.splitlines() == [
        "setup.cfg: 'author' is empty; it must name the author",
        "setup.cfg: 'author_email' is empty; it must name the contact",
        "setup.cfg: 'url' is empty; it must name the address of the project",
        "target_python_sdk/version.py: expected a final version such as '2.0.0', got '2.1.0.dev0'",
        "CHANGELOG.md: expected a section '## [2.1.0.dev0] - YYYY-MM-DD'",
        "the checkout has changes that are not committed: ?? new.py",
    ]


@pytest.mark.process
def test_the_section_of_the_changelog_needs_a_date(tmp_path: Path) -> None:
    folder = tree(tmp_path, heading="[2.0.0] - Unreleased")
    assert release_check.version_problems(folder) == [
        "CHANGELOG.md: expected a date in '## [2.0.0] - YYYY-MM-DD', got '## [2.0.0] - Unreleased'"
    ]


def workflows(root: Path) -> List[Tuple[Path, Dict[str, Any]]]:
    """Return each workflow, with its content."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: " + installing("test"))
    paths = sorted((root / ".github" / "workflows").glob("*.yml"))
    return [(path, yaml.safe_load(path.read_text(encoding="utf-8"))) for path in paths]


def test_each_action_is_pinned_to_a_commit(root: Path) -> None:
    """Each use has the version as a comment, and all uses of an action have the same commit."""
    pins: Dict[str, str] = {}
    for path, _ in workflows(root):
        for line in path.read_text(encoding="utf-8").splitlines():
            _, found, used = line.partition("uses: ")
            if found:
                match = PINNED.fullmatch(used)
                assert match, f"{path.name}: {line.strip()}"
                assert pins.setdefault(match["action"], used) == used
    assert pins


def test_jobs_of_workflows_have_only_the_permissions_that_they_need(root: Path) -> None:
    for path, workflow in workflows(root):
        assert workflow["permissions"] in ({}, {"contents": "read"}), path.name
    permissions = {
        f"{path.stem}/{name}": job["permissions"]
        for path, workflow in workflows(root)
        for name, job in workflow["jobs"].items()
        if "permissions" in job
    }
    assert permissions == {
        "release/build": {"contents": "read"},
        "release/attest": {"id-token": "write", "attestations": "write"},
        "release/publish": {"id-token": "write"},
    }
