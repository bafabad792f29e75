"""Run the scenarios of one side of the comparison, 1.1.0 or this SDK, with its interpreter."""

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
#: The time limit of a process, in seconds.
LIMIT = 300

#: The groups of scenarios in each process, and its server. 1.1.0 uses one host for a whole process (B1).
PROCESSES: Dict[str, Tuple[str, Callable[[], ContextManager[servers.Server]]]] = {
    "calls": ("get_offers,notifications_and_attributes", servers.edge),
    "deciding": ("deciding,options_and_events", servers.edge),
    "generated_client": ("tools,generated_client", servers.edge_and_encrypted),
    "odd_answers": ("odd_answers,odd_answers_generated_client", servers.odd_answers),
    "no_answer": ("no_answer", servers.no_server),
}


def scenarios(python: str, process: str) -> Dict[str, Any]:
    """Return the requests and the result of each scenario, with placeholders for what differs from run to run."""
    groups, start = PROCESSES[process]
    with start() as server:
        results = run(python, str(BOTH), groups, server.domain, server.encrypted)
        requests = servers.by_scenario(server.requests())
    return {
        name: compact(
            plain({"requests": requests.get(name, []), "result": result["result"]}, result["now"], server.domain)
        )
        for name, result in results.items()
    }


def models(python: str, descriptions: List[Dict[str, Any]]) -> Dict[str, Any]:
    """Return the declarations of all classes (``surface``), and the models ``built`` from the descriptions."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "descriptions.json"
        given.write_text(json.dumps(descriptions), encoding="utf-8")
        results = run(python, str(BOTH / "building.py"), str(given))
    numbered = enumerate(zip(descriptions, results["built"]))
    built = {f"{each['class']} {number:04d}": compact_model(result) for number, (each, result) in numbered}
    return {"surface": results["surface"], "built": built}


def run(python: str, *arguments: str) -> Any:
    """Run a program of ``both``; return the JSON that it writes."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "results.json")
        command: List[str] = [python, *arguments, file]
        done = subprocess.run(
            command, cwd=folder, env=_environment(python), timeout=LIMIT, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        with contextlib.suppress(FileNotFoundError), open(file, encoding="utf-8") as written:
            return json.load(written)
    raise AssertionError(f"{' '.join(command)} wrote no result:\n{done.stdout.decode(errors='replace')}")


def _environment(python: str) -> Dict[str, str]:
    """Return the environment variables of a process. Only our own interpreter gets this checkout on its path."""
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
