"""What a benchmark finds: figures, and the table they are printed as."""

from statistics import median
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

_FORMATS = {"calls/s": "{:,.0f} calls/s", "ms": "{:.1f} ms", "us": "{:.0f} us", "MiB": "{:.1f} MiB"}
_HEADINGS = ("figure", "ours", "peer", "ratio", "goal", "")


class Goal(NamedTuple):
    """What the comparison should come to; printed beside it, never asserted."""

    limit: float
    at_least: bool

    def reached(self, value: float) -> bool:
        """Whether ``value`` is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit


class Figure(NamedTuple):
    """One thing measured in ours and in a peer, round by round within one run."""

    name: str
    unit: str
    peer: str
    ours: Tuple[float, ...] = ()
    theirs: Tuple[float, ...] = ()
    goal: Optional[Goal] = None
    #: Compared by ours minus theirs, in the unit, instead of by ours over theirs.
    by_difference: bool = False
    #: Why the peer has no values.
    not_run: str = ""

    @property
    def comparisons(self) -> List[float]:
        """Ours beside theirs, each round by itself: what slowed a whole round down cancels out."""
        pairs = zip(self.ours, self.theirs)
        return [ours - theirs if self.by_difference else ours / theirs for ours, theirs in pairs]

    @property
    def comparison(self) -> float:
        """The median of the rounds' comparisons."""
        return median(self.comparisons)

    @property
    def verdict(self) -> str:
        """Whether the goal is reached, in words."""
        if self.not_run or self.goal is None:
            return ""
        return "reached" if self.goal.reached(self.comparison) else "NOT reached"

    def cells(self) -> Tuple[str, ...]:
        """The figure as a row of the table."""
        show = _FORMATS[self.unit].format
        if self.not_run:
            ours = show(median(self.ours)) if self.ours else ""
            return self.name, ours, self.peer, "not run", self._goal_cell(), self.not_run
        return (
            self.name,
            show(median(self.ours)),
            "{} {}".format(self.peer, show(median(self.theirs))),
            "{} [{} .. {}]".format(*map(self._compared, (
                self.comparison, min(self.comparisons), max(self.comparisons)))),
            self._goal_cell(),
            self.verdict,
        )

    def as_json(self) -> Dict[str, Any]:
        """The figure with every round's value."""
        found = self._asdict()
        found["goal"] = self._goal_cell()
        found["comparison"] = None if self.not_run else self.comparison
        found["verdict"] = self.verdict
        return dict(found)

    def _compared(self, value: float) -> str:
        if self.by_difference:
            return "{:+.1f} {}".format(value, self.unit)
        return "{:.3f}".format(value) if value < 0.1 else "{:.2f}".format(value)

    def _goal_cell(self) -> str:
        if self.goal is None:
            return ""
        return "{} {}".format(">=" if self.goal.at_least else "<=", self._compared(self.goal.limit))


class Section(NamedTuple):
    """What one benchmark hands back: its figures, and sentences that belong to them."""

    figures: List[Figure]
    notes: List[str]


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned columns under their headings."""
    rows = [_HEADINGS] + [figure.cells() for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
