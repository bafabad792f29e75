# ruff: noqa: T201 - part of a command-line program
"""Records a run for the documentation: the figures as JSON, a picture, and the output in the page."""

import json
import re
import sys
from pathlib import Path
from typing import Any, Dict, List

from benchmarks.figure import Figure, Section

_BEGIN, _END = "<!-- output of make bench: begin -->", "<!-- output of make bench: end -->"
_FIGURES, _PICTURE = "performance.json", "performance.svg"
_REACHED, _MISSED = "#2b7a4b", "#b3432b"


def record(folder: Path, facts: Dict[str, str], found: Section, text: str) -> None:
    """Write ``performance.json`` and ``performance.svg``. Replace the output in ``performance.md``, if it exists."""
    everything: Dict[str, Any] = {
        "machine": facts,
        "figures": [figure.as_json() for figure in found.figures],
        "notes": found.notes,
    }
    (folder / _FIGURES).write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    try:
        draw(folder / _PICTURE, facts, found.figures)
        picture = f"![The figures with a goal]({_PICTURE})\n\n"
    except ImportError:
        print("no picture is drawn: matplotlib is not installed", file=sys.stderr)
        picture = ""
    page = folder / "performance.md"
    if page.exists():
        page.write_text(with_output(page.read_text(encoding="utf-8"), picture, text), encoding="utf-8")


def with_output(page: str, picture: str, text: str) -> str:
    """Return the page with the new picture and output between its marks."""
    block = f"{_BEGIN}\n{picture}[All figures of this run]({_FIGURES}), of each round:\n\n```text\n{text}\n```\n{_END}"
    return re.sub(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: block, page, flags=re.S)


def draw(file: Path, facts: Dict[str, str], figures: List[Figure]) -> None:
    """Draw how far each figure is from its goal, on a logarithmic scale. 1 is the goal; more is better.

    Figures that have no goal, were not measured, or are compared by difference are left out.
    """
    import matplotlib  # noqa: PLC0415 - only needed for the picture

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "performance", "svg.fonttype": "none", "font.family": "sans-serif"})
    import matplotlib.pyplot as plots  # noqa: PLC0415

    shown = [figure for figure in figures if figure.goal and not figure.not_run and not figure.by_difference][::-1]
    shown = [figure for figure in shown if figure.comparison > 0]  # a small run can round to 0
    figure, axes = plots.subplots(figsize=(10, 1.2 + 0.28 * len(shown)))
    names = [f"{one.name} / {one.peer}" for one in shown]
    bars = axes.barh(names, [distance(one) - 1 for one in shown], left=1)
    for bar, one in zip(bars, shown):
        bar.set_color(_REACHED if one.verdict == "reached" else _MISSED)
        measured, _, _ = one.cells()[3].partition(" ")
        axes.annotate(f" {measured} ({one.cells()[4]}) ", (distance(one), bar.get_y() + bar.get_height() / 2),
                      va="center", ha="left" if distance(one) >= 1 else "right", fontsize=8)  # fmt: skip
    axes.set_xscale("log")
    farthest = max([2.0, *(max(distance(one), 1 / distance(one)) for one in shown)])
    axes.set_xlim(1 / (1.8 * farthest), 1.8 * farthest)
    axes.set_xticks([])
    axes.xaxis.minorticks_off()
    axes.axvline(1, color="black", linewidth=1)
    axes.tick_params(axis="y", labelsize=8)
    title = f"Measured (goal) on {facts['date']} with {facts['python']}. Bars to the right of the line reach the goal."
    axes.set_title(title, fontsize=9)
    figure.tight_layout()
    figure.savefig(str(file), format="svg", metadata={"Date": None})
    plots.close(figure)


def distance(figure: Figure) -> float:
    """Return the comparison as a multiple of the goal; more is better."""
    assert figure.goal is not None
    ratio = figure.comparison / figure.goal.limit
    return ratio if figure.goal.at_least else 1 / ratio
