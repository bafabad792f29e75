"""Build and install the distributions, and run programs with them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

DECIDE = Path(__file__).with_name("decide.py")
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
#: The longest duration of one command on a busy machine, in seconds.
PATIENCE = 600


class Distributions(NamedTuple):
    """The files that are uploaded."""

    sdist: Path
    wheel: Path


def run(*command: object, cwd: Optional[Path] = None, **variables: str) -> str:
    """Return the output of a command that must succeed. It runs without the environment variables ``PYTHON…``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=cwd, env={**kept, **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def decisions_of(*command: object, cwd: Path, **variables: str) -> Dict[str, Any]:
    """Return the results of :data:`DECIDE`, run by this command."""
    decided: Dict[str, Any] = json.loads(run(*command, cwd=cwd, **variables))
    return decided


def install(requirement: object, folder: Path, python: str = sys.executable, *options: str) -> Path:
    """Create a virtual environment with ``requirement``; return its interpreter."""
    run(python, "-m", "venv", folder)
    created = folder / "bin" / "python"
    run(created, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *options, requirement)
    return created


def find_python(version: str) -> Optional[str]:
    """Return the path of the interpreter of a version, or None if it is not installed."""
    installed: List[object] = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in (*installed, shutil.which(f"python{version}")):
        if candidate is None:
            continue
        # Run it: the shim of a version manager may exist without its interpreter.
        shown = subprocess.run([str(candidate), "-V"], capture_output=True, text=True, check=False)
        if shown.stdout.startswith(f"Python {version}."):
            return str(candidate)
    return None
