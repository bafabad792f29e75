"""Instruction counts: their workloads run, and the output of callgrind is parsed."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import instructions
from benchmarks.instructions import count_instructions, extract_packages, figures, instruction_count, rows
from benchmarks.plan import NotRun, Plan
from benchmarks.process import ROOT, ProcessFailed, clean_environment

REPORT = "==7== Events    : Ir\n==7== Collected : 1289442433\n==7== \n==7== I   refs:      1,289,442,433\n"


def test_the_count_is_read_from_the_report_of_callgrind() -> None:
    assert instruction_count(REPORT) == 1289442433
    with pytest.raises(ProcessFailed, match="printed no count"):
        instruction_count("valgrind: unknown tool")


def test_the_instructions_of_the_startup_are_subtracted(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(valgrind: str, arguments: "list[str]", folder: Path) -> int:
        if arguments[0] == "-c":
            return 1_000 + (500 if "TargetClient" in arguments[1] else 0)
        per_call = {"call": 30, "decision": 4, "executed": 9, "page": 8, "flag": 7}[arguments[2]]
        return 2_000 + per_call * int(arguments[3])

    monkeypatch.setattr(instructions, "_count", count)
    counts = {"call": 30, "decision": 4, "executed": 9, "page": 8, "flag": 7, "import": 500}
    assert count_instructions("valgrind", Path(), 10) == counts
    assert count_instructions("valgrind", Path(), 10, ["flag"]) == {"flag": 7}


def test_without_valgrind_the_reason_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: "pytest.CaptureFixture[str]"
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert instructions.main([]) == 0
    assert "valgrind is not installed" in capsys.readouterr().out
    missing = NotRun("valgrind is not installed")
    plan = Plan(1, 1, 0.1, 1, 1, missing, missing, missing, missing, missing, {})
    assert figures(plan).notes == ["instructions: not counted, valgrind is not installed."]


def test_rows_have_the_ratio_to_another_commit() -> None:
    (line,) = rows({"call": 1030}, {"call": 1000}, "3bf5dee")
    assert line.split()[-5:] == ["1,030", "3bf5dee:", "1,000", "ratio", "1.030"]


@pytest.mark.process
@pytest.mark.parametrize("workload", ["call", "decision", "executed", "page", "flag"])
def test_a_workload_runs(workload: str) -> None:
    worker = [sys.executable, "benchmarks/instruction_worker.py", str(ROOT), workload, "2"]
    done = subprocess.run(
        worker, cwd=str(ROOT), env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.process
def test_a_workload_fails_if_the_given_folder_has_no_packages(tmp_path: Path) -> None:
    worker = [sys.executable, "benchmarks/instruction_worker.py", str(tmp_path), "call", "1"]
    done = subprocess.run(
        worker, cwd=str(ROOT), env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "imported the SDK from" in done.stderr


def test_an_unknown_workload_is_an_error(capsys: "pytest.CaptureFixture[str]") -> None:
    with pytest.raises(SystemExit):
        instructions.main(["--only", "flags"])
    assert "expected names out of" in capsys.readouterr().err


@pytest.mark.process
def test_an_unknown_commit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed):
        extract_packages("no-such-commit", tmp_path)
