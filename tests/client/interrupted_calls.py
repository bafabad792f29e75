"""A program that makes calls in the main thread while many signals arrive, and then 20 calls without signals.

    python -m tests.client.interrupted_calls DOMAIN INTERRUPTS [CA_FILE]

It prints as JSON how many of the first calls were interrupted, how many were completed, and the exceptions that did
not come from the signal handler.
"""

import json
import random
import signal
import sys
import time

from target_python_sdk import TargetClient
from target_tools.concurrency.helper_thread import MAX_ABANDONED
from tests.support import offers


class Interrupted(Exception):
    """Raised by the signal handler, like the exception of a soft time limit."""


def main(domain: str, interrupts: int, ca_file: str = "") -> None:
    options = {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": domain, "timeout": 10000}
    options.update({"ca_certs": ca_file} if ca_file else {"secure": False})
    client = TargetClient.create(options)
    counts = {"interrupted": 0, "completed": 0, "unexpected": []}
    # True only during a call: the handler must not raise in the rest of this loop.
    armed = [False]

    def interrupt(*_):
        if armed[0]:
            armed[0] = False
            raise Interrupted

    signal.signal(signal.SIGALRM, interrupt)
    call = offers()
    rng = random.Random(20261122)
    # About the duration of a call, so that signals arrive anywhere in a call. Some calls finish before the signal.
    longest_pause, interrupted_in_a_row = 0.004 if ca_file else 0.0015, 0
    while counts["interrupted"] < interrupts:
        # An interrupted call abandons its connection attempt, which a busy machine may not finish at once.
        while client.stats()["abandoned"] > MAX_ABANDONED // 2:
            time.sleep(0.001)
        if interrupted_in_a_row == 100:  # calls take longer than the pause
            longest_pause, interrupted_in_a_row = longest_pause * 1.5, 0
        try:
            try:
                armed[0] = True
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.00005, longest_pause))
                client.get_offers(call)
                counts["completed"] += 1
                interrupted_in_a_row = 0
            finally:
                armed[0] = False
        except Interrupted:
            counts["interrupted"] += 1
            interrupted_in_a_row += 1
        except Exception as error:  # noqa: BLE001 - reported
            counts["unexpected"].append(repr(error))
    signal.setitimer(signal.ITIMER_REAL, 0)
    for _ in range(20):
        client.get_offers(call)
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
