"""Places under ``.bench/`` where a peer is installed, made when it is first needed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Union

from benchmarks.plan import NotRun
from benchmarks.process import ROOT, clean_environment

_PLACES = ROOT / ".bench"


def python_with(name: str, packages: Sequence[str], check: str) -> Union[str, NotRun]:
    """An interpreter like this one that has ``packages`` and runs ``check``, or why there is none."""
    place = _PLACES / "{}-{}".format(name, sys.implementation.cache_tag)
    interpreter = str(place / ("Scripts" if sys.platform == "win32" else "bin") / "python")

    def make() -> None:
        _run([sys.executable, "-m", "venv", str(place)])
        pip = [interpreter, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
        _run([*pip, "install", "--quiet", *packages])
        _run([interpreter, "-I", "-c", check])

    failed = _made(place, Path(interpreter), make)
    return failed or interpreter


def npm_folder_with(name: str, package: str) -> Union[str, NotRun]:
    """The folder whose ``node_modules`` has ``package``, or why there is none."""
    place = _PLACES / name
    npm = shutil.which("npm")
    if npm is None:
        return NotRun("npm is not installed")

    def make() -> None:
        place.mkdir(parents=True)
        _run([str(npm), "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
              "--prefix", str(place), package])  # fmt: skip

    failed = _made(place, place / "node_modules", make)
    return failed or str(place)


def _made(place: Path, wanted: Path, make: Callable[[], None]) -> Optional[NotRun]:
    """Nothing, once ``wanted`` is in ``place``; else why it could not be made, and then nothing is left of it."""
    complete = place / "complete"
    if complete.exists() and wanted.exists():
        return None
    shutil.rmtree(str(place), ignore_errors=True)
    try:
        make()
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(str(place), ignore_errors=True)
        return NotRun(_why(error))
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


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        program = os.path.basename(error.cmd[0])
        return lines[-1].strip()[:120] if lines else "{} could not install it".format(program)
    return str(error)[:120]
