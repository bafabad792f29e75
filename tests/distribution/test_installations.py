"""Each kind of installation makes the decisions of a normal one."""

import importlib
import os
import shutil
import sys
import zipapp
from pathlib import Path
from typing import Any, Dict, List

import pytest

from tests.distribution.installing import DECIDE, VERSIONS, Distributions, decisions_of, find_python, install, run

pytestmark = [pytest.mark.distribution, pytest.mark.server]

#: For each extra, modules whose import fails without its packages.
NEEDS_EXTRA = {
    "celery": "target_python_sdk.integrations.celery",
    "django": "target_python_sdk.integrations.django.middleware",
    "fastapi": "target_python_sdk.integrations.fastapi",
    "flask": "target_python_sdk.integrations.flask",
    "litestar": "target_python_sdk.integrations.litestar",
    "openfeature": "target_python_sdk.integrations.openfeature",
    "opentelemetry": "target_python_sdk.integrations.opentelemetry",
    "socks": "socks",
    "speedups": "mmh3, orjson",
}


@pytest.mark.parametrize(
    ("kind", "version"),
    [*(("wheel", version) for version in VERSIONS), ("sdist", VERSIONS[0]), ("sdist", VERSIONS[-2])],
)
def test_each_python_installs_the_distributions(
    kind: str, version: str, distributions: Distributions, expected: Dict[str, Any], tmp_path: Path
) -> None:
    """The source distribution is installed with the oldest Python, whose setuptools is old, and with a newer one."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"Python {version} is not installed")
    installed = install(getattr(distributions, kind), tmp_path / "venv", python)
    assert decisions_of(installed, "-I", "-W", "error", DECIDE, cwd=tmp_path) == expected


@pytest.mark.parametrize("extra", NEEDS_EXTRA)
def test_each_extra_installs(
    extra: str, distributions: Distributions, expected: Dict[str, Any], tmp_path: Path
) -> None:
    python = install(f"{distributions.wheel}[{extra}]", tmp_path / "venv")
    run(python, "-I", "-c", f"import {NEEDS_EXTRA[extra]}", cwd=tmp_path)
    assert decisions_of(python, "-I", DECIDE, cwd=tmp_path) == expected


def test_a_frozen_application_makes_the_same_decisions(
    distributions: Distributions, expected: Dict[str, Any], tmp_path: Path
) -> None:
    """PyInstaller finds the hook by the entry point of the installed wheel."""
    python = install(distributions.wheel, tmp_path / "venv")
    pyinstaller = Path(importlib.import_module("PyInstaller").__path__[0]).parent
    # PyInstaller is imported from the environment of this test. The SDK and its requirements are imported from the
    # new one.
    program = f"import sys; sys.path.append({str(pyinstaller)!r}); from PyInstaller.__main__ import run; run()"
    run(python, "-c", program, "--onedir", "--log-level", "WARN", "--name", "decide", DECIDE, cwd=tmp_path)
    shutil.rmtree(tmp_path / "venv")
    assert decisions_of(tmp_path / "dist" / "decide" / "decide", cwd=tmp_path) == expected


def test_a_zipped_application_makes_the_same_decisions(
    distributions: Distributions, expected: Dict[str, Any], tmp_path: Path
) -> None:
    """``zipapp`` packs the modules, and ``zipimport`` imports them."""
    application = tmp_path / "application"
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--target", application,
        distributions.wheel)  # fmt: skip
    shutil.copy(DECIDE, application / "__main__.py")
    zipped = tmp_path / "decide.pyz"
    zipapp.create_archive(application, zipped)
    shutil.rmtree(application)
    assert decisions_of(sys.executable, "-I", "-S", "-W", "error", zipped, cwd=tmp_path) == expected


def test_a_read_only_installation_makes_the_same_decisions(
    distributions: Distributions, expected: Dict[str, Any], tmp_path: Path
) -> None:
    """The process cannot write to the installation, which is unchanged afterwards."""
    python = install(distributions.wheel, tmp_path / "venv", sys.executable, "--no-compile")
    (packages,) = (tmp_path / "venv").glob("lib/*/site-packages")
    before = contents(packages)
    set_write_permission(packages, False)
    try:
        decided = decisions_of(*without_privileges(), python, "-I", "-W", "error", DECIDE, cwd=tmp_path)
    finally:
        set_write_permission(packages, True)
    assert decided == expected
    assert contents(packages) == before
    assert not list(packages.glob("target_*/**/__pycache__"))


def contents(folder: Path) -> List[str]:
    """Return the names of all files under a folder."""
    return sorted(str(path) for path in folder.rglob("*"))


def set_write_permission(folder: Path, writable: bool) -> None:
    """Change the modes of a folder and of all that it contains."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o200 if writable else mode & ~0o222)


def without_privileges() -> List[str]:
    """Return a prefix for a command that makes root obey file permissions, or an empty list for another user."""
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
