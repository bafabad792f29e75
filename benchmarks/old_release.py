"""target-python-sdk 1.1.0, in an environment of its own, made when it is first needed."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Union

from benchmarks.plan import OLD, NotRun, OldRelease
from benchmarks.process import ROOT, clean_environment

#: 1.1.0 names neither all it imports nor what it no longer works with.
_PACKAGES = (
    "target-python-sdk==" + OLD,
    "requests",
    "six",
    "urllib3",
    "certifi",
    "python-dateutil",
    "tzlocal",
    "tld",
    "user-agents",
    "json-logic-qubit",
    "setuptools<82",
)
_CHECK = "from target_python_sdk import TargetClient"


def old_release() -> Union[OldRelease, NotRun]:
    """1.1.0's interpreter under ``.bench/``, or why there is none."""
    place = ROOT / ".bench" / "{}-{}".format(OLD, sys.implementation.cache_tag)
    interpreter = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    complete = place / "complete"
    if complete.exists() and interpreter.exists():
        return OldRelease(str(interpreter))
    try:
        _make(place, str(interpreter))
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(str(place), ignore_errors=True)
        return NotRun(_why(error))
    complete.touch()
    return OldRelease(str(interpreter))


def _make(place: Path, interpreter: str) -> None:
    shutil.rmtree(str(place), ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(place)])
    pip = [interpreter, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    _run([*pip, "install", "--quiet", *_PACKAGES])
    _run([interpreter, "-I", "-c", _CHECK])


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
        return lines[-1].strip()[:120] if lines else "its environment could not be made"
    return str(error)[:120]
