"""The contents of the wheel and of the source distribution, and their requirements."""

import configparser
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import Dict, List, Set

import pytest

from tests.project.source import PACKAGES
from tests.support import installing

REQUIREMENTS = {"urllib3", "six", "typing-extensions"}


#: The extras, which are only for users. Contributors install from the files in ``requirements/``.
EXTRAS = {"socks", "celery", "django", "fastapi", "flask", "litestar", "openfeature", "opentelemetry", "speedups"}
#: Files that the tests, the documentation or the tools need.
IN_SDIST = (
    ".ci/run",
    ".editorconfig",
    ".github/workflows/ci.yml",
    ".github/workflows/release.yml",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "mkdocs.yml",
    "pyproject.toml",
    "setup.cfg",
)
#: The extensions of modules and data files.
PACKED = (".py", ".pyi", ".json", ".gz", ".html", ".css", ".js", ".svg")
FOLDERS_IN_SDIST = (*PACKAGES, "benchmarks", "docs", "requirements", "samples", "scripts", "tests")


def requirement_names(lines: str) -> Set[str]:
    """Return the distributions in a requirements field of ``setup.cfg``."""
    wanted = [line for line in lines.splitlines() if line.strip()]
    return {line.replace("<", ">").split(">")[0].split("=")[0].strip() for line in wanted}


def test_setup_cfg_has_exactly_the_expected_requirements_and_extras(root: Path) -> None:
    """The name of the distribution and the oldest Python are also checked."""
    config = configparser.ConfigParser()
    config.read(str(root / "setup.cfg"), encoding="utf-8")
    assert requirement_names(config["options"]["install_requires"]) == REQUIREMENTS
    assert config["options"]["python_requires"] == ">=3.8"
    assert config["metadata"]["name"] == "target-python-sdk"
    assert set(config["options.extras_require"]) == EXTRAS


@pytest.fixture(scope="module")
def copy_of_the_tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the source, so that building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("setup.py", "MANIFEST.in", *IN_SDIST):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(root / name), str(copy / name))
    for folder in FOLDERS_IN_SDIST:
        shutil.copytree(str(root / folder), str(copy / folder), ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def run(*command: object) -> str:
    """Return the output of a command that must succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.server
@pytest.mark.slow
def test_b13_installing_pulls_exactly_three_requirements(copy_of_the_tree: Path, tmp_path: Path) -> None:
    """A new virtual environment has the package and its three requirements only, and can import it."""
    home = tmp_path / "bare"
    venv.create(str(home), with_pip=True)
    python = home / "bin" / "python"
    before = installed(python)
    run(python, "-m", "pip", "--disable-pip-version-check", "install", copy_of_the_tree)

    assert installed(python) - before == REQUIREMENTS | {"target-python-sdk"}
    assert run(python, "-I", "-W", "error", "-c", "from target_python_sdk import TargetClient") == ""


def installed(python: Path) -> Set[str]:
    """Return the normalized names of the installed distributions."""
    listed = run(python, "-m", "pip", "--disable-pip-version-check", "list", "--format=freeze")
    return {line.partition("==")[0].lower().replace("_", "-") for line in listed.splitlines() if "==" in line}


@pytest.mark.server
@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_nothing_else(copy_of_the_tree: Path, tmp_path: Path) -> None:
    """The wheel has every module and data file of the packages, and no test, page or benchmark."""
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, copy_of_the_tree)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(str(wheel)) as archive:
        packed = [name for name in archive.namelist() if ".dist-info/" not in name]

    assert sorted(packed) == expected_in_wheel(copy_of_the_tree)


def expected_in_wheel(tree: Path) -> List[str]:
    """Return the files of the packages that users need."""
    return sorted(
        str(path.relative_to(tree))
        for package in PACKAGES
        for path in (tree / package).rglob("*")
        if path.suffix in PACKED or path.name.endswith(("py.typed", ".NOTICE.txt"))
    )


@pytest.mark.server
@pytest.mark.slow
def test_the_source_distribution_has_the_tests_and_all_that_they_need(copy_of_the_tree: Path, tmp_path: Path) -> None:
    """The source distribution has every file of ``IN_SDIST`` and of ``FOLDERS_IN_SDIST``, but no compiled modules."""
    pytest.importorskip("build", reason="build is not installed: " + installing("test"))
    (copy_of_the_tree / "tests" / "compiled.pyc").touch()
    run(sys.executable, "-m", "build", "--sdist", "--outdir", tmp_path, copy_of_the_tree)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(str(sdist)) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}

    files = {
        path.relative_to(copy_of_the_tree).as_posix()
        for folder in FOLDERS_IN_SDIST
        for path in (copy_of_the_tree / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert sorted((files | set(IN_SDIST)) - packed) == []
    assert [name for name in packed if name.endswith(".pyc")] == []


def test_the_workflow_and_ci_run_test_the_same_versions(root: Path) -> None:
    """``setup.cfg``, ``.ci/run`` and the workflow name the same versions."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: " + installing("test"))
    workflow = yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    script = (root / ".ci" / "run").read_text(encoding="utf-8")
    declared = re.findall(r":: (3\.\d+)$", (root / "setup.cfg").read_text(encoding="utf-8"), re.MULTILINE)

    assert workflow["permissions"] == {"contents": "read"}
    jobs = {name: job.get("strategy", {}).get("matrix", {}) for name, job in workflow["jobs"].items()}
    by_tests: Dict[str, List[str]] = {}
    for each in jobs["interpreters"]["include"]:
        by_tests.setdefault(each["tests"], []).append(each["python"])
    whole, some = by_tests
    assert sorted(by_tests[whole] + by_tests[some]) == sorted(declared)
    assert f'SUITE_PYTHONS="{" ".join(by_tests[whole])}"' in script
    assert f'MIDDLE_PYTHONS="{" ".join(by_tests[some])}"' in script
    assert f'MIDDLE_TESTS="tests/{some.partition(" tests/")[2]}"' in script
    matrix = re.search(r"URLLIB3_MATRIX=\((.*)\)", script)
    assert matrix is not None
    assert sorted(matrix[1].replace('"', "").split()) == sorted(jobs["urllib3"]["urllib3"])
    for version in ("3.8", "3.13"):
        releases = [each["urllib3"] for each in jobs["comparison"]["include"] if each["python"] == version]
        assert f'readonly COMPARED_{version.replace(".", "_")}="{" ".join(releases)}"' in script
