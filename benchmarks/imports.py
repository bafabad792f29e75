"""What ``from target_python_sdk import TargetClient`` takes, and 1.1.0's names on top: in fresh processes."""

import re
import subprocess
import sys
from typing import Dict, List, NamedTuple, Tuple

from benchmarks.figure import Figure, Goal, Section
from benchmarks.plan import OLD, NotRun, Plan
from benchmarks.process import ROOT, ProcessFailed, clean_environment

_OURS = "from target_python_sdk import TargetClient"
_DOORS = "import: the old doors as well"

#: Where 1.1.0's names stand, in tables under the modules they are in.
_OLD_NAMES = ROOT / "docs" / "old-names.md"

#: What a process tells, in its order; memory is compared by what comes on top.
_MEASURED = (
    (0, "time", "ms", Goal(1.3, at_least=False), False),
    (1, "resident memory", "MiB", Goal(6.0, at_least=False), True),
)

#: The checkout comes last on the path, so that nothing else is looked for in it first.
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
    """An import and the interpreter that makes it."""

    interpreter: str
    statement: str
    path: Tuple[str, ...] = ()
    #: What is imported already when the clock starts.
    before: str = ""

    def once(self) -> Tuple[float, float]:
        """Milliseconds and resident MiB of the import in a process of its own."""
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
            raise ProcessFailed("{}: {}".format(self.statement, "".join(last) or done.returncode))
        milliseconds, mebibytes = done.stdout.split()
        return float(milliseconds), float(mebibytes)


def old_doors() -> List[str]:
    """The modules that have a name of 1.1.0's, as far as one is still offered there; every class has one."""
    sections = re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", _OLD_NAMES.read_text(encoding="utf-8"), re.M | re.S)
    named = [module for module, rows in sections if re.search(r"^\| .+ \| (works|kept) \| ", rows, re.M)]
    classes = sorted(path.stem for path in (ROOT / "delivery_api_client" / "Model").glob("*.pyi"))
    return [*named, *("delivery_api_client.Model." + name for name in classes)]


def figures(plan: Plan) -> Section:
    """The import's time and memory beside urllib3's and 1.1.0's, and the time of all old doors on top of it."""
    here = (str(ROOT),)
    doors = old_doors()
    imports = {
        "ours": Importing(sys.executable, _OURS, here),
        "urllib3": Importing(sys.executable, "import urllib3", here),
        _DOORS: Importing(sys.executable, "import " + ", ".join(doors), here, _OURS),
    }
    if not isinstance(plan.old_release, NotRun):
        imports[OLD] = Importing(plan.old_release.interpreter, _OURS)
    found = _interleaved(imports, plan.import_rounds)
    rows: List[Figure] = []
    for column, name, unit, goal, by_difference in _MEASURED:
        values = {peer: tuple(pair[column] for pair in pairs) for peer, pairs in found.items()}
        row = Figure("import: " + name, unit, "urllib3", values["ours"], values["urllib3"], goal, by_difference)
        rows.append(row)
        if isinstance(plan.old_release, NotRun):
            rows.append(Figure(row.name, unit, OLD, not_run=plan.old_release.reason))
        else:
            rows.append(row._replace(peer=OLD, theirs=values[OLD], goal=None))
    rows.append(_doors_row(found))
    return Section(rows, ["{}: {} modules, on top of {!r}.".format(_DOORS, len(doors), _OURS)])


def _doors_row(found: Dict[str, List[Tuple[float, float]]]) -> Figure:
    ours, theirs = (tuple(milliseconds for milliseconds, _ in found[name]) for name in (_DOORS, "urllib3"))
    return Figure(_DOORS, "ms", "urllib3", ours, theirs, Goal(0.25, at_least=False))


def _interleaved(imports: Dict[str, Importing], rounds: int) -> Dict[str, List[Tuple[float, float]]]:
    for importing in imports.values():
        importing.once()  # compiles what is not compiled yet, and warms the disk's cache
    found: Dict[str, List[Tuple[float, float]]] = {name: [] for name in imports}
    for _ in range(rounds):
        for name, importing in imports.items():
            found[name].append(importing.once())
    return found
