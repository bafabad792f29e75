"""Shared code: measurements with their targets, counts for short and long runs, and other interpreters.

Tests report measurements with the fixture ``figure``; the table is printed at the end of the run.
``scaled`` returns a reduced count for the suite and the full count for the long run (``make soak``).
"""

import atexit
import glob
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
import urllib3

ROOT = Path(__file__).resolve().parent.parent.parent
#: Interpreters to test the SDK on. Those with a ``t`` are free-threaded builds.
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.13t", "3.14t")

_FIGURES = []


class Quiet(SimpleNamespace):
    """A logger that discards its messages. Pytest would keep the messages of ten thousand calls in memory."""

    def __init__(self):
        super().__init__(debug=self.ignore, error=self.ignore, isEnabledFor=lambda level: False)

    @staticmethod
    def ignore(*_, **__):
        pass


def scaled(full, short=None):
    """Return values for ``parametrize``: ``short`` or a tenth of ``full``, and ``full`` with the marker ``soak``."""
    return [full // 10 if short is None else short, pytest.param(full, marks=pytest.mark.soak)]


def ninth_decile(milliseconds):
    """Return the ninth decile. A busy machine delays a few values, a defect delays them all."""
    return sorted(milliseconds)[(len(milliseconds) * 9 - 1) // 10]


@pytest.fixture
def figure(request):
    """Return a function that adds a row to the final table: ``figure("threads", 34, "34 at most")``."""
    found = re.match(r"test_t(\d+)", request.node.name)
    number = int(found.group(1)) if found else 0

    def record(measured, figure, target, number=number):
        text = f"{figure:.3f}" if isinstance(figure, float) else str(figure)
        _FIGURES.append((number, measured, text, str(target)))

    return record


def pytest_terminal_summary(terminalreporter):
    """Print the table of measurements and the missing interpreters.

    The conftest of ``tests/servers`` imports this hook, so it can run twice. The first run clears the rows.
    """
    if not _FIGURES:
        return
    lines = [("T", "test", "figure", "target")]
    for number, *rest in sorted(_FIGURES, key=lambda line: line[0]):
        lines.append((f"T{number}" if number else "", *rest))
    _FIGURES.clear()
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    terminalreporter.section("reliability: figure against target")
    for line in lines:
        terminalreporter.write_line("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    missing = [version for version in VERSIONS if interpreter(version) is None]
    if missing:
        terminalreporter.write_line("not run, because these Pythons are missing: " + ", ".join(missing))


# Processes


_INTERPRETERS = {}
#: The temporary folder for compiled files. It is created when it is first needed, and deleted at exit.
_COMPILED = []
_PRINT_VERSION = (
    "import sys; print('{}.{}{}'.format(*sys.version_info[:2], 't' if 't' in getattr(sys, 'abiflags', '') else ''))"
)


def interpreter(version):
    """Return the path of a Python of that version (``3.13``, ``3.13t``), from the PATH or pyenv, or None."""
    running = "{}.{}{}".format(*sys.version_info[:2], "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "")
    if version == running:
        return sys.executable
    if version not in _INTERPRETERS:
        _INTERPRETERS[version] = next((path for path in _candidates(version) if _is_version(path, version)), None)
    return _INTERPRETERS[version]


def no_interpreter(version):
    """Return the reason for skipping a test that needs this version of Python. It says how to install the version."""
    return f"no Python {version}: put python{version} on the PATH, or install it with pyenv"


def _candidates(version):
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    on_path = shutil.which("python" + version)
    number, free_threaded = version.rstrip("t"), version.endswith("t")
    installed = glob.glob(os.path.join(pyenv, "versions", number + ".*", "bin", "python"))
    return ([on_path] if on_path else []) + [
        path for path in sorted(installed) if ("t" in path.split(os.sep)[-3]) == free_threaded
    ]


def _is_version(path, version):
    try:
        done = subprocess.run([path, "-c", _PRINT_VERSION], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == version


def _cache_of_compiled_files(executable):
    """Return the environment variables that keep compiled files of ``executable`` out of the checkout."""
    if executable == sys.executable:
        return {"PYTHONDONTWRITEBYTECODE": "1"}
    if not _COMPILED:
        _COMPILED.append(tempfile.mkdtemp(prefix="compiled-"))
        atexit.register(shutil.rmtree, _COMPILED[0], ignore_errors=True)
    return {"PYTHONPYCACHEPREFIX": _COMPILED[0], "PYTHONDONTWRITEBYTECODE": ""}


def python(script, *arguments, executable=sys.executable, timeout=60, options=("-W", "error"), **environment):
    """Run ``script`` with this checkout and the requirements of the SDK on its path. Return the completed process.

    Compiled files of other interpreters are kept for the session: compiling all modules takes longer than most scripts.
    """
    requirements = str(Path(urllib3.__file__).resolve().parent.parent)
    path = os.pathsep.join([str(ROOT), requirements])
    return subprocess.run(
        [executable, *options, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=str(ROOT),
        env={**os.environ, "PYTHONPATH": path, **_cache_of_compiled_files(executable), **environment},
    )
