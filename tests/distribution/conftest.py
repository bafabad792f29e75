"""The built distributions, and the decisions that each kind of installation must make."""

import sys
from pathlib import Path
from typing import Any, Dict

import pytest

from tests.distribution.installing import DECIDE, Distributions, decisions_of, install, run

SCRIPT = "scripts/build_distributions.py"


@pytest.fixture(scope="session")
def distributions(root: Path) -> Distributions:
    """The source distribution and the wheel in ``dist/``."""
    for tool in ("build", "twine", "PyInstaller", "cyclonedx_py"):
        pytest.importorskip(tool, reason=f"{tool} is not installed: `make dist-check` installs it")
    return distributions_in(root / "dist")


def build(root: Path, folder: Path) -> Distributions:
    """Build the distributions into ``folder`` and return them."""
    run(sys.executable, root / SCRIPT, "--output", folder)
    return distributions_in(folder)


def distributions_in(folder: Path) -> Distributions:
    """Return the only source distribution and the only wheel in ``folder``."""
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Distributions(sdist, wheel)


@pytest.fixture(scope="session")
def expected(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """The decisions of a normal installation."""
    folder = tmp_path_factory.mktemp("normal")
    python = install(distributions.wheel, folder / "venv")
    decided = decisions_of(python, "-I", "-W", "error", DECIDE, cwd=folder)
    offers = decided["offers"]
    assert set(offers["on-device"]) == {"A", "B", "C"}
    assert offers["server-side"] == offers["on-device"] == offers["hybrid"]
    assert decided["urllib3 is replaced"] is False
    return decided
