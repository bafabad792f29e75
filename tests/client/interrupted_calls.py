"""Calls in the main thread under a storm of signals; run as a process of its own.

    python -m tests.client.interrupted_calls DOMAIN INTERRUPTS [CA_FILE]

Prints, as JSON, how many calls were interrupted and completed, and whatever was raised
that the signal handler did not raise.
"""

import json
import random
import signal
import sys

from target_python_sdk import TargetClient
from tests.support import offers


class Interrupted(Exception):
    """What the signal handler raises, as a soft time limit does."""


def main(domain: str, wanted: int, ca_file: str = "") -> None:
    options = {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": domain, "timeout": 10000}
    options.update({"ca_certs": ca_file} if ca_file else {"secure": False})
    client = TargetClient.create(options)
    counts = {"interrupted": 0, "completed": 0, "foreign": []}
    # In the open only while a call is under way: what is tested is the call, not this loop.
    armed = [False]

    def interrupt(*_):
        if armed[0]:
            armed[0] = False
            raise Interrupted

    signal.signal(signal.SIGALRM, interrupt)
    call = offers()
    pauses = random.Random(20261122)
    # About as long as a call takes, so that a signal comes anywhere in it, and some are quicker.
    longest_pause, in_a_row = 0.004 if ca_file else 0.0015, 0
    while counts["interrupted"] < wanted:
        in_a_row += 1
        if in_a_row == 100:
            longest_pause, in_a_row = longest_pause * 1.5, 0
        try:
            try:
                armed[0] = True
                signal.setitimer(signal.ITIMER_REAL, pauses.uniform(0.00005, longest_pause))
                client.get_offers(call)
                counts["completed"] += 1
                in_a_row = 0
            finally:
                armed[0] = False
        except Interrupted:
            counts["interrupted"] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
            counts["foreign"].append(repr(error))
    signal.setitimer(signal.ITIMER_REAL, 0)
    for _ in range(20):
        client.get_offers(call)
    sys.stdout.write(json.dumps({**counts, "usable": True}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
