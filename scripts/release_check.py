#!/usr/bin/env python3
"""Check whether the current commit can be released: ``scripts/release_check.py``.

Prints every problem, and exits with 1 if there is one. ``make release-check`` runs it, then the checks of the
distributions.
"""

import configparser
import re
import subprocess
import sys
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parent.parent
#: Fields of setup.cfg that only the owner of the project can decide.
REQUIRED = {"author": "the author", "author_email": "the contact", "url": "the address of the project"}
FINAL = re.compile(r"\d+\.\d+\.\d+")


def version_of(root: Path) -> str:
    """Return the version in ``target_python_sdk/version.py``."""
    text = (root / "target_python_sdk" / "version.py").read_text(encoding="utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


def metadata_problems(root: Path) -> List[str]:
    """Return a problem for each field of ``REQUIRED`` that is empty in ``setup.cfg``."""
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg", encoding="utf-8")
    return [
        f"setup.cfg: '{field}' is empty; it must name {content}"
        for field, content in REQUIRED.items()
        if not config.get("metadata", field, fallback="").strip()
    ]


def version_problems(root: Path) -> List[str]:
    """Return the problems with the version and with its section in the changelog."""
    version = version_of(root)
    problems = []
    if not FINAL.fullmatch(version):
        problems.append(f"target_python_sdk/version.py: expected a final version such as '2.0.0', got '{version}'")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(rf"^## \[{re.escape(version)}\](.*)$", changelog, re.MULTILINE)
    if heading is None:
        problems.append(f"CHANGELOG.md: expected a section '## [{version}] - YYYY-MM-DD'")
    elif not re.fullmatch(r" - \d{4}-\d\d-\d\d", heading[1]):
        problems.append(f"CHANGELOG.md: expected a date in '## [{version}] - YYYY-MM-DD', got '{heading[0]}'")
    return problems


def checkout_problems(root: Path) -> List[str]:
    """Return a problem for each file that differs from the last commit."""
    command = ["git", "status", "--porcelain"]
    status = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [f"the checkout has changes that are not committed: {line.strip()}" for line in status.splitlines()]


def main(root: Path = ROOT) -> int:
    """Print all problems; return the exit status."""
    problems = [*metadata_problems(root), *version_problems(root), *checkout_problems(root)]
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201
    if not problems:
        print(f"{version_of(root)} can be released, if the checks of its distributions pass")  # noqa: T201
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
