"""The command line: ``target-sdk``, or ``python -m target_python_sdk``."""

import argparse
import contextlib
import os
import sys
from typing import List, Optional

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
try:
    from target_python_sdk.commands import artifact, demo, edge, explain, offers
    from target_python_sdk.commands.output import Output, Styled
    from target_python_sdk.commands.parsing import EXIT_CODES, Parser
    from target_python_sdk.version import __version__
    from target_tools.errors import DeliveryError, HttpStatusError, OptionError, TargetError, TlsError
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)

#: The modules of the commands, in the order in which ``--help`` lists them.
COMMANDS = (offers, explain, artifact, edge, demo)


def main(arguments: Optional[List[str]] = None) -> int:
    """Execute a command and return the exit code."""
    try:
        try:
            return _execute(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        _discard_output()
        return FAILED
    except OSError as error:
        _discard_output()
        place = "" if error.filename is None else f"{error.filename}: "
        return _fail(f"{place}{error.strerror or error}", FAILED)
    except OptionError as error:
        return _fail(str(error), WRONG_USAGE)
    except TargetError as error:
        return _fail(_one_line(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _execute(arguments: Optional[List[str]]) -> int:
    parser = Parser(
        prog="target-sdk",
        description="Tools of the Adobe Target SDK. `target-sdk COMMAND --help` shows examples.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"target-sdk {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for module in COMMANDS:
        module.add_parser(commands)
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        used: Parser = getattr(parsed, "parser", parser)
        used.error(f"unrecognized arguments: {' '.join(unknown)}{used.suggested_option(unknown[0])}")
    if "run" not in parsed:
        parser.print_help(sys.stderr)
        return WRONG_USAGE
    code: int = parsed.run(parsed)
    return code


def _one_line(error: TargetError) -> str:
    """Return the message of ``error`` without the line breaks that 1.1.0's messages have."""
    if isinstance(error, TlsError):
        return DeliveryError.__str__(error)
    if isinstance(error, HttpStatusError):
        return f"HTTP status {'; '.join(str(error).splitlines())}"
    return str(error)


def _fail(message: str, code: int) -> int:
    """Print ``message`` as one line and return ``code``."""
    Output(sys.stderr).line(Styled("error:", "red"), " ", message.strip())
    return code


def _discard_output() -> None:
    """Drop output that cannot be written. Otherwise, Python tries again to write it at exit, and reports the error."""
    with contextlib.suppress(OSError, ValueError):  # the standard output may have no file descriptor, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
