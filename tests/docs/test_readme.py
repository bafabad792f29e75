"""The README shows the output of ``make demo``."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import target_python_sdk
from tests.docs.pages import fenced_after

PAGES_ON_INSTALLATION = ["README.md", "docs/getting-started.md"]
MARKER = "<!-- The output of make demo; a test compares it with a run. -->"

#: Values that differ between two runs, and their placeholders.
VARIABLE = [
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "UUID"),
    (r"[0-9a-f]{32}", "UUID"),
    (r"\b\d{13}\b", "MILLISECONDS"),
    (r"\b\d{10}\b", "SECONDS"),
    (r"\d+(?:\.\d+)? ?ms\b", "DURATION"),
]


def mask(text: str) -> str:
    """Replace ports, ids and times with placeholders."""
    for pattern, placeholder in VARIABLE:
        text = re.sub(pattern, placeholder, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.mark.server
def test_the_readme_shows_the_output_of_the_demo(root: Path) -> None:
    """Every line is the same, except for ports, ids and times."""
    demo = [sys.executable, "-m", "target_python_sdk", "demo"]
    done = subprocess.run(demo, cwd=str(root), capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert mask(fenced_after(root / "README.md", MARKER)) == mask(done.stdout)


def test_only_variable_values_are_replaced() -> None:
    """Different experiences remain different."""
    assert mask("ada  127.0.0.1:4711  blue  12.5 ms") == mask("ada  127.0.0.1:80  blue  3 ms")
    assert mask("ada  blue") != mask("ada  green")


@pytest.mark.parametrize("page", PAGES_ON_INSTALLATION)
def test_the_pages_on_installation_show_the_version(root: Path, page: str) -> None:
    """Adobe's 1.1.0 has the same name, so readers compare the version."""
    package_info = (root / page).read_text(encoding="utf-8").split("pip show target-python-sdk\n", 1)[1]
    assert package_info.splitlines()[:2] == ["Name: target-python-sdk", f"Version: {target_python_sdk.__version__}"]
