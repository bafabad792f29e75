"""Measures imports in new processes: time and memory for the SDK, and the time for all modules of 1.1.0."""

import re
import subprocess
import sys
from typing import Dict, List, NamedTuple, Tuple

from benchmarks.figure import Figure, Goal, Section
from benchmarks.plan import OLD, NotRun, Plan
from benchmarks.process import ROOT, ProcessFailed, clean_environment

_OURS = "from target_python_sdk import TargetClient"
_OLD_NAMES = "import: all names of 1.1.0"

#: The page with the names of 1.1.0, in a table for each module.
_OLD_NAMES_PAGE = ROOT / "docs" / "old-names.md"

#: The values that a process prints: index, name, unit, goal, and whether they are compared by difference, not ratio.
_MEASURED = (
    (0, "time", "ms", Goal(1.3, at_least=False), False),
    (1, "resident memory", "MiB", Goal(6.0, at_least=False), True),
)

#: The checkout comes last on ``sys.path``, so that imports of other modules do not search it.
_PROGRAM = """
import os, sys, time
sys.path.extend(sys.argv[1:])
{before}
started = time.perf_counter()
{statement}
seconds = time.perf_counter() - started
try:
    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
except OSError:
    import resource
    unit = 1 if sys.platform == "darwin" else 1024
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(seconds * 1e3, resident / 2**20)
"""


class Importing(NamedTuple):
    """An import statement and its interpreter."""

    interpreter: str
    statement: str
    path: Tuple[str, ...] = ()
    #: A statement to run before the measurement.
    before: str = ""

    def measure(self) -> Tuple[float, float]:
        """Return the milliseconds of the import in a new process, and the resident MiB of that process."""
        program = _PROGRAM.format(before=self.before, statement=self.statement)
        done = subprocess.run(
            [self.interpreter, "-I", "-c", program, *self.path],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            raise ProcessFailed(f"{self.statement}: {''.join(last) or done.returncode}")
        milliseconds, mebibytes = done.stdout.split()
        return float(milliseconds), float(mebibytes)


def old_modules() -> List[str]:
    """Return the modules of 1.1.0 that still have a public name, including the module of each class."""
    sections = re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", _OLD_NAMES_PAGE.read_text(encoding="utf-8"), re.M | re.S)
    named = [module for module, rows in sections if re.search(r"^\| .+ \| (works|kept) \| ", rows, re.M)]
    classes = sorted(path.stem for path in (ROOT / "delivery_api_client" / "Model").glob("*.pyi"))
    return [*named, *(f"delivery_api_client.Model.{name}" for name in classes)]


def figures(plan: Plan) -> Section:
    """Compare the import with urllib3's and 1.1.0's. Measure the additional time to import all modules of 1.1.0."""
    here = (str(ROOT),)
    modules = old_modules()
    imports = {
        "ours": Importing(sys.executable, _OURS, here),
        "urllib3": Importing(sys.executable, "import urllib3", here),
        _OLD_NAMES: Importing(sys.executable, "import " + ", ".join(modules), here, _OURS),
    }
    if not isinstance(plan.old_release, NotRun):
        imports[OLD] = Importing(plan.old_release.interpreter, _OURS)
    found = _measure_in_turns(imports, plan.import_rounds)
    rows: List[Figure] = []
    for column, name, unit, goal, by_difference in _MEASURED:
        values = {peer: tuple(pair[column] for pair in pairs) for peer, pairs in found.items()}
        row = Figure(f"import: {name}", unit, "urllib3", values["ours"], values["urllib3"], goal, by_difference)
        rows.append(row)
        if isinstance(plan.old_release, NotRun):
            rows.append(Figure(row.name, unit, OLD, not_run=plan.old_release.reason))
        else:
            rows.append(row._replace(peer=OLD, theirs=values[OLD], goal=None))
    rows.append(_old_names_row(found))
    return Section(rows, [f"{_OLD_NAMES}: {len(modules)} modules, in addition to {_OURS!r}."])


def _old_names_row(found: Dict[str, List[Tuple[float, float]]]) -> Figure:
    ours, theirs = (tuple(milliseconds for milliseconds, _ in found[name]) for name in (_OLD_NAMES, "urllib3"))
    return Figure(_OLD_NAMES, "ms", "urllib3", ours, theirs, Goal(0.25, at_least=False))


def _measure_in_turns(imports: Dict[str, Importing], rounds: int) -> Dict[str, List[Tuple[float, float]]]:
    for importing in imports.values():
        importing.measure()  # writes the bytecode files, and fills the disk cache
    found: Dict[str, List[Tuple[float, float]]] = {name: [] for name in imports}
    for _ in range(rounds):
        for name, importing in imports.items():
            found[name].append(importing.measure())
    return found
