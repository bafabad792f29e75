"""The results of a benchmark: measured figures, and the table that shows them."""

from statistics import median
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

_FORMATS = {"calls/s": "{:,.0f} calls/s", "ms": "{:.1f} ms", "us": "{:.0f} us", "MiB": "{:.1f} MiB"}
_HEADINGS = ("figure", "ours", "peer", "ratio", "goal", "")


class Goal(NamedTuple):
    """The intended result of a comparison. It is printed; missing it is not an error."""

    limit: float
    at_least: bool

    def reached(self, value: float) -> bool:
        """Return whether ``value`` reaches the goal."""
        return value >= self.limit if self.at_least else value <= self.limit


class Figure(NamedTuple):
    """A quantity measured for this checkout (``ours``) and for a peer (``theirs``), which take turns in every round."""

    name: str
    unit: str
    peer: str
    ours: Tuple[float, ...] = ()
    theirs: Tuple[float, ...] = ()
    goal: Optional[Goal] = None
    #: Compare by the difference, ours minus theirs, instead of the ratio.
    by_difference: bool = False
    #: The reason why the peer was not measured.
    not_run: str = ""

    @property
    def comparisons(self) -> List[float]:
        """The ratio or difference of each round. Comparing within a round cancels out a temporarily slow machine."""
        pairs = zip(self.ours, self.theirs)
        return [ours - theirs if self.by_difference else ours / theirs for ours, theirs in pairs]

    @property
    def comparison(self) -> float:
        """The median of ``comparisons``."""
        return median(self.comparisons)

    @property
    def verdict(self) -> str:
        """``reached`` or ``NOT reached``. Empty if there is no goal or the peer was not measured."""
        if self.not_run or self.goal is None:
            return ""
        return "reached" if self.goal.reached(self.comparison) else "NOT reached"

    def cells(self) -> Tuple[str, ...]:
        """Return the figure as a row of the table."""
        show = _FORMATS[self.unit].format
        if self.not_run:
            ours = show(median(self.ours)) if self.ours else ""
            return self.name, ours, self.peer, "not run", self._goal_cell(), self.not_run
        format_ = self._format_comparison
        return (
            self.name,
            show(median(self.ours)),
            f"{self.peer} {show(median(self.theirs))}",
            f"{format_(self.comparison)} [{format_(min(self.comparisons))} .. {format_(max(self.comparisons))}]",
            self._goal_cell(),
            self.verdict,
        )

    def as_json(self) -> Dict[str, Any]:
        """Return the figure with the values of all rounds."""
        values = self._asdict()
        values["goal"] = self._goal_cell()
        values["comparison"] = None if self.not_run else self.comparison
        values["verdict"] = self.verdict
        return dict(values)

    def _format_comparison(self, value: float) -> str:
        if self.by_difference:
            return f"{value:+.1f} {self.unit}"
        return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"

    def _goal_cell(self) -> str:
        if self.goal is None:
            return ""
        return f"{'>=' if self.goal.at_least else '<='} {self._format_comparison(self.goal.limit)}"


class Section(NamedTuple):
    """The result of one benchmark: its figures, and notes on them."""

    figures: List[Figure]
    notes: List[str]


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as aligned columns with headings."""
    rows = [_HEADINGS] + [figure.cells() for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
