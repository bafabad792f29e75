"""Writes the output of commands: lines, tables and JSON, with colors only on a terminal.

The names in a file are untrusted. All text is escaped, so it cannot move the cursor, change
the title of the window, or reverse the direction of the line.
"""

import json
import os
import sys
import unicodedata
from time import monotonic
from typing import NamedTuple, Optional, Sequence, TextIO, Union

from target_tools.typing_compat import Json

#: The control sequences of styles.
STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Styled(NamedTuple):
    """Text with one of ``STYLES``."""

    text: str
    style: str


Text = Union[str, Styled]


def printable(text: str) -> str:
    """Return ``text`` with escapes in place of characters that are not printable, such as control characters."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


class Output:
    """Writes to ``stream``, by default to the standard output."""

    def __init__(self, stream: Optional[TextIO] = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self.is_terminal = self._stream.isatty()
        self._has_colors = self.is_terminal and _colors_are_allowed()
        self._encoding = self._stream.encoding or "utf-8"

    def line(self, *parts: Text) -> None:
        """Write a line that consists of ``parts``."""
        self._stream.write("".join(map(self._render, parts)).rstrip() + "\n")

    def table(self, rows: Sequence[Sequence[Text]], indent: str = "") -> None:
        """Write ``rows`` with aligned columns. The first row is the header."""
        widths = [max(_width(self._plain(cell)) for cell in column) for column in zip(*rows)]
        for number, row in enumerate(rows):
            cells = [Styled(_text(cell), "bold") for cell in row] if number == 0 else row
            padding = [" " * (width - _width(self._plain(cell)) + 3) for cell, width in zip(row, widths)]
            self.line(indent, *(part for pair in zip(cells, padding) for part in pair))

    def json(self, value: Json) -> None:
        """Write ``value`` as indented JSON in ASCII."""
        text = json.dumps(value, indent=2)
        self._stream.write(text.replace("\x7f", "\\u007f") + "\n")

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def _render(self, part: Text) -> str:
        text = self._plain(part)
        if self._has_colors and isinstance(part, Styled) and text:
            return f"\x1b[{STYLES[part.style]}m{text}\x1b[0m"
        return text

    def _plain(self, part: Text) -> str:
        """Return the text of ``part``, with escapes in place of characters that the stream cannot encode."""
        return printable(_text(part)).encode(self._encoding, "backslashreplace").decode(self._encoding)


class ProgressLine:
    """Shows the progress on one line of the standard error, if that is a terminal.

    The end of the ``with`` block clears the line.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._next = 0.0
        self._is_shown = sys.stderr.isatty()

    def __enter__(self) -> "ProgressLine":
        return self

    def show(self, done: int, total: int) -> None:
        """Show the progress, at most ten times a second."""
        now = monotonic()
        if self._is_shown and now >= self._next:
            self._next = now + 0.1
            sys.stderr.write(f"\r{done} of {total} {self._unit} ({done * 100 // total} %)\x1b[K")
            sys.stderr.flush()

    def __exit__(self, *error: object) -> None:
        if self._next:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def percent(share: float) -> str:
    """Return a share between 0 and 1 as text in percent."""
    return f"{share * 100:.2f}".rstrip("0").rstrip(".") + " %"


def _text(part: Text) -> str:
    return part.text if isinstance(part, Styled) else part


def _colors_are_allowed() -> bool:
    """Return whether the environment allows colors. See https://no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _width(text: str) -> int:
    """Return the number of columns that ``text`` takes on a terminal."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )
