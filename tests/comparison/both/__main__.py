"""``python both GROUPS EDGE ENCRYPTED FILE``: run scenarios under the package that is installed, and write what came.

It runs under 1.1.0 and under this project alike, so it knows no more than their public names.
"""

import contextlib
import http.client
import json
import os
import sys
import threading
import time
import warnings
from typing import Any, Dict
from urllib.parse import quote

warnings.simplefilter("ignore")  # 1.1.0 imports pkg_resources, and tells the time in a deprecated way

from telling import outcome, told  # noqa: E402
from world import World  # noqa: E402

import delivery_api_client  # noqa: E402

#: Seconds after which a scenario is said to hang.
LIMIT = 5


def main(groups: str, edge: str, encrypted: str, file: str) -> None:
    """Run the scenarios of these groups, one after the other, and end the process, whatever its threads do."""
    # 1.1.0 keeps the first host for the rest of the process (B1): this one, so that nothing leaves the machine.
    delivery_api_client.Configuration(host="http://" + edge)
    results: Dict[str, Any] = {}
    for group in groups.split(","):
        for name, scenario in __import__(group).SCENARIOS.items():
            full = "{}: {}".format(group.replace("_", " "), name)
            announce(edge, full)
            results[full] = run(scenario, World(edge, encrypted))
    with open(file, "w", encoding="utf-8") as out:
        json.dump(results, out)
    os._exit(0)  # 1.1.0's polling and its result handlers never would (B43, B4)


def announce(edge: str, name: str) -> None:
    """Tell the server, which remembers requests, whose requests come next."""
    connection = http.client.HTTPConnection(edge, timeout=LIMIT)
    with contextlib.suppress(ConnectionRefusedError):  # there is no server where that is the scenario
        connection.request("GET", "/scenario/" + quote(name, safe=""))
        connection.getresponse().read()
    connection.close()


def run(scenario: Any, world: World) -> Dict[str, Any]:
    """What comes of a scenario within the time limit."""
    result: Dict[str, Any] = {"now": world.now, "came": "nothing: it hangs"}

    before = set(threading.enumerate())

    def act() -> None:
        result["came"] = told(outcome(lambda: scenario(world)))
        world.end()
        # 1.1.0 sends notifications in a thread; those of its pools never end.
        end = time.monotonic() + 0.3
        for other in set(threading.enumerate()) - before - {threading.current_thread()}:
            if not isinstance(other, threading.Timer):
                other.join(max(0, end - time.monotonic()))

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(LIMIT)
    result["took"] = time.time() - world.now
    return dict(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
