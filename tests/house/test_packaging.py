"""What ``pip install .`` brings, and what it leaves behind."""

import configparser
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import List, Set

import pytest

from tests.house.source import PACKAGES

REQUIREMENTS = {"urllib3", "six", "typing-extensions"}


def requirement_names(lines: str) -> Set[str]:
    """The distributions named in a requirements field of ``setup.cfg``."""
    wanted = [line for line in lines.splitlines() if line.strip()]
    return {line.replace("<", ">").split(">")[0].split("=")[0].strip() for line in wanted}


def test_the_requirements_are_three(root: Path) -> None:
    """``setup.cfg`` asks for exactly these."""
    config = configparser.ConfigParser()
    config.read(str(root / "setup.cfg"), encoding="utf-8")
    assert requirement_names(config["options"]["install_requires"]) == REQUIREMENTS
    assert config["options"]["python_requires"] == ">=3.8"
    assert config["metadata"]["name"] == "target-python-sdk"


@pytest.fixture(scope="module")
def copy_of_the_tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts that make the package, copied, so that building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(str(root / name), str(copy / name))
    for package in PACKAGES:
        if (root / package).is_dir():
            shutil.copytree(str(root / package), str(copy / package), ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def run(*command: object) -> str:
    """The output of a command that has to succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.server
@pytest.mark.slow
def test_b13_installing_pulls_exactly_three_requirements(copy_of_the_tree: Path, tmp_path: Path) -> None:
    """In a bare venv the package and its three requirements are all there is, and it imports there."""
    home = tmp_path / "bare"
    venv.create(str(home), with_pip=True)
    python = home / "bin" / "python"
    before = installed(python)
    run(python, "-m", "pip", "--disable-pip-version-check", "install", copy_of_the_tree)

    assert installed(python) - before == REQUIREMENTS | {"target-python-sdk"}
    assert run(python, "-I", "-W", "error", "-c", "from target_python_sdk import TargetClient") == ""


def installed(python: Path) -> Set[str]:
    """The distributions an interpreter sees, by normal name."""
    listed = run(python, "-m", "pip", "--disable-pip-version-check", "list", "--format=freeze")
    return {line.partition("==")[0].lower().replace("_", "-") for line in listed.splitlines() if "==" in line}


@pytest.mark.server
@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_nothing_else(copy_of_the_tree: Path, tmp_path: Path) -> None:
    """Every module and data file of the packages, and no test, page or benchmark."""
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, copy_of_the_tree)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(str(wheel)) as archive:
        packed = [name for name in archive.namelist() if ".dist-info/" not in name]

    assert sorted(packed) == expected_in_wheel(copy_of_the_tree)


def expected_in_wheel(tree: Path) -> List[str]:
    """The files of the packages that users need."""
    return sorted(
        str(path.relative_to(tree))
        for package in PACKAGES
        for path in (tree / package).rglob("*")
        if path.suffix in (".py", ".pyi", ".json", ".gz") or path.name.endswith(("py.typed", ".NOTICE.txt"))
    )
