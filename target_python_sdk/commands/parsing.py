"""The parser of the command line, and the types of arguments."""

import argparse
from typing import TYPE_CHECKING, Any, Callable, NoReturn, Optional

from target_python_sdk.commands.output import printable
from target_tools.error_text import suggestion

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction["Parser"]

#: Executes a command and returns the exit code.
Run = Callable[[argparse.Namespace], int]

#: The largest number that ``positive`` accepts.
MAX_COUNT = 100_000_000
#: The longest delay of a local edge, in milliseconds.
MAX_DELAY = 600_000

EXIT_CODES = """\
exit codes:
  0    done
  1    a finding, or the command failed
  2    wrong usage: invalid arguments, or a file or port that cannot be used
  130  interrupted by Ctrl-C"""


class Parser(argparse.ArgumentParser):
    """A parser that escapes its error messages and suggests names of commands."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and ``message``, and exit with 2."""
        super().error(printable(message))

    def suggested_option(self, given: str) -> str:
        """Return ``; did you mean '--client'?`` for a misspelled option, or an empty string."""
        return suggestion(given.partition("=")[0], [each for each in self._option_string_actions if given[:1] == "-"])

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Reject an unknown command, and suggest the closest known one."""
        if action.choices is not None and value not in action.choices:
            known = [str(each) for each in action.choices]
            hint = suggestion(str(value), known) or f"; expected one of {', '.join(known)}"
            raise argparse.ArgumentError(action, f"unknown command {str(value)!r}{hint}")


def add_command(commands: "Commands", name: str, summary: str, examples: str, run: Optional[Run] = None) -> Parser:
    """Add a command and return its parser. A command without ``run`` groups other commands.

    :param examples: Example command lines, one per line, for the help.
    """
    lines = "".join(f"  $ {example}\n" for example in examples.strip().splitlines())
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n{lines}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if run is not None:
        parser.set_defaults(run=run, parser=parser)
    return parser


def add_json_argument(parser: argparse._ActionsContainer, help_text: str = "print JSON") -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help=help_text)


def add_client_argument(parser: argparse._ActionsContainer, help_text: str) -> None:
    """Add ``--client``."""
    parser.add_argument("--client", metavar="CODE", type=non_empty, help=help_text)


def non_empty(text: str) -> str:
    """Check that the text is not empty. The value of an unset shell variable is empty."""
    if not text:
        raise argparse.ArgumentTypeError("expected a value, got an empty string")
    return text


def port(text: str) -> int:
    """Parse a port number."""
    if not (text.isascii() and text.isdecimal()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, got {text!r}")
    return int(text)


def status(text: str) -> int:
    """Parse the HTTP status of a simulated failure."""
    if not (text.isascii() and text.isdecimal()) or not 400 <= int(text[:4]) <= 599:
        raise argparse.ArgumentTypeError(f"expected a status from 400 to 599, got {text!r}")
    return int(text)


def delay(text: str) -> float:
    """Parse a delay in milliseconds."""
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = -1.0
    if not 0 <= milliseconds <= MAX_DELAY:
        raise argparse.ArgumentTypeError(f"expected milliseconds from 0 to {MAX_DELAY}, got {text!r}")
    return milliseconds


def positive(text: str) -> int:
    """Parse a positive integer."""
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text[:10]) <= MAX_COUNT:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MAX_COUNT}, got {text!r}")
    return int(text)
