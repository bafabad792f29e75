"""The benchmarks of artifact updates and of preforking servers run, and print their figures."""

import os
from pathlib import Path

import pytest

from benchmarks import preforking, updates
from benchmarks.process import ROOT, ProcessFailed
from benchmarks.updates import FIGURES, MORE, measure, table

MEASUREMENTS = {
    "wait": 0.008, "collect": 0.001, "memory": 3000, "size": 2000, "load": 0.5, "first": 0.0001, "in_turn": 1.05,
    "collect_used": 0.01, "memory_used": 4000, "again": 0.00005, "every": 0.0002,
}  # fmt: skip


def test_the_table_has_the_figures_before_and_after() -> None:
    old = {**MEASUREMENTS, "wait": 0.3}
    lines = table([10, 1000], [[MEASUREMENTS, old], [MEASUREMENTS, old]], "3bf5dee")
    assert len(lines) == 1 + len(FIGURES) + len(MORE)
    assert lines[0].split() == ["10", "activities", "1,000", "activities", "goal"]
    cells = "300.00 -> 8.00 ms"
    assert " ".join(lines[1].split()) == f"longest wait of another thread {cells} {cells} <= 20 ms"
    assert lines[4].endswith("<= 3bf5dee")
    assert "->" not in "".join(table([10], [[MEASUREMENTS]], ""))


@pytest.mark.process
def test_an_update_is_measured() -> None:
    ((found,),) = measure([ROOT], [3])
    assert found.keys() == MEASUREMENTS.keys()
    assert all(isinstance(figure.value(found), float) for figure in (*FIGURES, *MORE))


@pytest.mark.process
def test_a_failing_process_is_an_error(tmp_path: Path, capsys: "pytest.CaptureFixture[str]") -> None:
    package = tmp_path / "target_python_sdk"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('broken')")
    with pytest.raises(ProcessFailed, match="ImportError: broken"):
        measure([tmp_path], [3])
    assert updates.main(["--compare", "no-such-commit", "--activities", "3"]) == 1
    assert "no-such-commit" in capsys.readouterr().err


@pytest.mark.process
@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="this system has no smaps_rollup")
def test_the_memory_of_workers_is_measured(capsys: "pytest.CaptureFixture[str]") -> None:
    assert preforking.main(["--activities", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:32].strip() for line in lines[1:]] == list(preforking.WAYS)
    assert all(float(line.split()[-2]) > 0 for line in lines[1:])
