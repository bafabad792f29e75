"""Figures beside their targets, counts that fit the run, and other interpreters.

A test takes the fixture ``figure`` and says what it measured; the table comes at the end of the run.
``scaled`` gives a test its full count in the long run and a smaller one in the suite.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
import urllib3

ROOT = Path(__file__).resolve().parent.parent.parent
#: Every call takes part, however long that takes.
SOAK = bool(os.environ.get("SOAK"))
#: Interpreters that the SDK should be shown on; the last is the one without a global lock.
WANTED = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.13t", "3.14t")

_FIGURES = []


class Quiet(SimpleNamespace):
    """A logger that keeps nothing; the suite's own keeps every line of ten thousand calls."""

    def __init__(self):
        super().__init__(debug=self.ignore, error=self.ignore, isEnabledFor=lambda level: False)

    @staticmethod
    def ignore(*_, **__):
        pass


def scaled(full, short=None):
    """Values for ``parametrize``: the full count in the long run, a tenth or ``short`` in the suite."""
    if SOAK:
        return [full]
    return [full // 10 if short is None else short, pytest.param(full, marks=pytest.mark.soak)]


def nine_tenths(milliseconds):
    """Return what nine tenths of these do not exceed; a busy machine delays single ones, a defect all of a kind."""
    return sorted(milliseconds)[(len(milliseconds) * 9 - 1) // 10]


@pytest.fixture
def figure(request):
    """``figure("threads", 34, "34 at most")`` puts a line into the table at the end of the run."""
    found = re.match(r"test_t(\d+)", request.node.name)
    number = int(found.group(1)) if found else 0

    def record(measured, figure, target, number=number):
        shown = "{:.3f}".format(figure) if isinstance(figure, float) else str(figure)
        _FIGURES.append((number, measured, shown, str(target)))

    return record


def pytest_terminal_summary(terminalreporter):
    """The table of figures, and what was not run; once, as the tests of real servers have this hook too."""
    if not _FIGURES:
        return
    lines = [("T", "test", "figure", "target")]
    for number, *rest in sorted(_FIGURES, key=lambda line: line[0]):
        lines.append(("T{}".format(number) if number else "", *rest))
    _FIGURES.clear()
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    terminalreporter.section("reliability: figure against target")
    for line in lines:
        terminalreporter.write_line("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    missing = [version for version in WANTED if interpreter(version) is None]
    if missing:
        terminalreporter.write_line("not run, for this machine has no such Python: {}".format(", ".join(missing)))


# Processes


_FOUND = {}
_ASK = "import sys; print('{}.{}{}'.format(*sys.version_info[:2], 't' if 't' in getattr(sys, 'abiflags', '') else ''))"


def interpreter(version):
    """The path of a Python of that version (``3.13``, ``3.13t``), on the PATH or among pyenv's; None without one."""
    running = "{}.{}{}".format(*sys.version_info[:2], "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "")
    if version == running:
        return sys.executable
    if version not in _FOUND:
        _FOUND[version] = next((path for path in _candidates(version) if _is(path, version)), None)
    return _FOUND[version]


def no_interpreter(version):
    """Return why a test is skipped without that Python, and what to install."""
    return "no Python {0}: put python{0} on the PATH, or install it with pyenv".format(version)


def _candidates(version):
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    on_path = shutil.which("python" + version)
    number, free = version.rstrip("t"), version.endswith("t")
    kept = glob.glob(os.path.join(pyenv, "versions", number + ".*", "bin", "python"))
    return ([on_path] if on_path else []) + [path for path in sorted(kept) if ("t" in path.split(os.sep)[-3]) == free]


def _is(path, version):
    try:
        done = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return False
    return done.stdout.strip() == version


def python(script, *arguments, executable=sys.executable, timeout=60, options=("-W", "error"), **environment):
    """How a process ended that ran ``script`` with this checkout and our requirements on its path."""
    requirements = str(Path(urllib3.__file__).resolve().parent.parent)
    path = os.pathsep.join([str(ROOT), requirements])
    return subprocess.run(
        [executable, *options, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=str(ROOT),
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment},
    )
