"""``python -m tests.doubles.run NAME FORM START DOMAIN``: run the calls of one cell of the matrix in this process.

Prints a line with the report as JSON. Prints ``STOP`` and waits for a line when the server must be stopped.
"""

import json
import sys
from typing import List

from tests.doubles.calls import Caller
from tests.doubles.catalog import BY_NAME

#: Marks the line with the report on standard output, because doubles print there, too.
MARK = "report: "
STOP = "stop the server"
#: Whether the SDK has been imported and used when the double is switched on.
STARTS = COLD, WARM = "first call inside", "called before"


def stop_server() -> None:
    """Ask the parent process to stop the server, and wait until the server has stopped."""
    print(STOP, flush=True)  # noqa: T201 - the protocol with the parent process
    sys.stdin.readline()


def main(arguments: List[str]) -> None:
    """Run one cell and print its report."""
    name, form, start, domain = arguments
    call = Caller(form, domain)
    if start == WARM:
        call("before")
    report = BY_NAME[name].run(call, stop_server)
    call.close()
    print(f"\n{MARK}{json.dumps(report)}", flush=True)  # noqa: T201 - the protocol with the parent process


if __name__ == "__main__":
    main(sys.argv[1:])
