"""Environments for peers under ``.bench/``, created on first use."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Union

from benchmarks.plan import NotRun
from benchmarks.process import ROOT, clean_environment

_ENVIRONMENTS = ROOT / ".bench"


def python_with(name: str, packages: Sequence[str], check: str) -> Union[str, NotRun]:
    """Return an interpreter that has ``packages`` and can run ``check``, or the reason why it is missing."""
    place = _ENVIRONMENTS / f"{name}-{sys.implementation.cache_tag}"
    interpreter = str(place / ("Scripts" if sys.platform == "win32" else "bin") / "python")

    def install() -> None:
        _run([sys.executable, "-m", "venv", str(place)])
        pip = [interpreter, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
        _run([*pip, "install", "--quiet", *packages])
        _run([interpreter, "-I", "-c", check])

    failed = _install_if_missing(place, Path(interpreter), install)
    return failed or interpreter


def npm_folder_with(name: str, package: str) -> Union[str, NotRun]:
    """Return a folder with ``package`` in its ``node_modules``, or the reason why it is missing."""
    place = _ENVIRONMENTS / name
    npm = shutil.which("npm")
    if npm is None:
        return NotRun("npm is not installed")

    def install() -> None:
        place.mkdir(parents=True)
        _run([str(npm), "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
              "--prefix", str(place), package])  # fmt: skip

    failed = _install_if_missing(place, place / "node_modules", install)
    return failed or str(place)


def _install_if_missing(place: Path, wanted: Path, install: Callable[[], None]) -> Optional[NotRun]:
    """Install, unless ``wanted`` is already in ``place``. After a failure, remove ``place`` and return the reason."""
    complete = place / "complete"
    if complete.exists() and wanted.exists():
        return None
    shutil.rmtree(str(place), ignore_errors=True)
    try:
        install()
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(str(place), ignore_errors=True)
        return NotRun(_reason(error))
    complete.touch()
    return None


def _run(command: List[str]) -> None:
    subprocess.run(
        command,
        check=True,
        timeout=180,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        program = os.path.basename(error.cmd[0])
        return lines[-1].strip()[:120] if lines else f"{program} failed without a message"
    return str(error)[:120]
