"""One side of the comparison: scenarios, run in a process of its own by an interpreter."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, List, Tuple

from tests.comparison import servers
from tests.comparison.plain import plain
from tests.comparison.recording import compact, compact_model

ROOT = Path(__file__).resolve().parent.parent.parent
BOTH = Path(__file__).parent / "both"
#: Seconds after which a process is given up.
LIMIT = 120

#: What runs in one process, and the server it asks.  1.1.0 knows one host for a whole process (B1).
PROCESSES: Dict[str, Tuple[str, Callable[[], ContextManager[servers.Server]]]] = {
    "calls": ("get_offers,notifications_and_attributes", servers.edge),
    "deciding": ("deciding,options_and_events", servers.edge),
    "doors": ("tools,doors", servers.edge_and_encrypted),
    "odd_answers": ("odd_answers,odd_doors", servers.odd),
    "no_answer": ("no_answer", servers.nobody),
}


def scenarios(python: str, process: str) -> Dict[str, Any]:
    """What was sent and what came, by scenario, with all that differs from run to run made plain."""
    groups, start = PROCESSES[process]
    with start() as server:
        results = run(python, str(BOTH), groups, server.domain, server.encrypted)
        asked = servers.by_scenario(server.asked())
    return {
        name: compact(plain({"asked": asked.get(name, []), "came": result["came"]}, result["now"], server.domain))
        for name, result in results.items()
    }


def models(python: str, descriptions: List[Dict[str, Any]]) -> Dict[str, Any]:
    """The ``surface`` of every class, and what was ``built`` of the descriptions, by class and number."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "descriptions.json"
        given.write_text(json.dumps(descriptions), encoding="utf-8")
        results = run(python, str(BOTH / "building.py"), str(given))
    numbered = enumerate(zip(descriptions, results["built"]))
    built = {"{} {:04d}".format(one["class"], number): compact_model(result) for number, (one, result) in numbered}
    return {"surface": results["surface"], "built": built}


def run(python: str, *arguments: str) -> Any:
    """The JSON that a program of ``both`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "results.json")
        command: List[str] = [python, *arguments, file]
        done = subprocess.run(
            command, cwd=folder, env=_environment(python), timeout=LIMIT, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        with contextlib.suppress(FileNotFoundError), open(file, encoding="utf-8") as written:
            return json.load(written)
    raise AssertionError("{} gave nothing:\n{}".format(" ".join(command), done.stdout.decode(errors="replace")))


def _environment(python: str) -> Dict[str, str]:
    """Ours is this checkout; 1.1.0 finds what its own venv has, and nothing of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    ours = {"PYTHONPATH": str(ROOT)} if python == sys.executable else {}
    return {
        **kept,
        **ours,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONHASHSEED": "0",
        "TZ": "UTC",
    }
