"""``python both GROUPS EDGE ENCRYPTED FILE``: run scenarios with the installed package, and write the results.

It runs with 1.1.0 and with this SDK, so it uses only public names of both.
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

warnings.simplefilter("ignore")  # 1.1.0 imports pkg_resources and uses deprecated functions of datetime

from as_json import as_json, outcome  # noqa: E402
from environment import Environment  # noqa: E402

import delivery_api_client  # noqa: E402

#: Seconds after which a scenario counts as hanging. On a busy machine, the imports of a first call take long.
LIMIT = 30


def main(groups: str, edge: str, encrypted: str, file: str) -> None:
    """Run the scenarios of these groups in turn, then end the process even if threads are running."""
    # 1.1.0 sends all calls of a process to the host that was configured first (B1). Configure the edge, so that no
    # request leaves this machine.
    delivery_api_client.Configuration(host="http://" + edge)
    results: Dict[str, Any] = {}
    for group in groups.split(","):
        for name, scenario in __import__(group).SCENARIOS.items():
            full_name = f"{group.replace('_', ' ')}: {name}"
            announce(edge, full_name)
            results[full_name] = run(scenario, Environment(edge, encrypted))
    with open(file, "w", encoding="utf-8") as out:
        json.dump(results, out)
    os._exit(0)  # the threads of 1.1.0 that poll or handle results would keep the process alive (B43, B4)


def announce(edge: str, name: str) -> None:
    """Send the server the name of the scenario whose requests follow."""
    connection = http.client.HTTPConnection(edge, timeout=LIMIT)
    with contextlib.suppress(ConnectionRefusedError):  # some scenarios have no server
        connection.request("GET", "/scenario/" + quote(name, safe=""))
        connection.getresponse().read()
    connection.close()


def run(scenario: Any, environment: Environment) -> Dict[str, Any]:
    """Run a scenario; return the time of its start, and its result or a text that says that it hangs."""
    result: Dict[str, Any] = {"now": environment.now, "result": "nothing: it hangs"}
    before = set(threading.enumerate())

    def act() -> None:
        result["result"] = as_json(outcome(lambda: scenario(environment)))
        environment.end()
        # 1.1.0 sends notifications in threads. Give all new threads 0.3 s in total, because the threads of its thread
        # pools never end. Do not wait for timers, which only poll or emit `client_ready`.
        end = time.monotonic() + 0.3
        for other in set(threading.enumerate()) - before - {threading.current_thread()}:
            if not isinstance(other, threading.Timer):
                other.join(max(0, end - time.monotonic()))

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(LIMIT)
    return dict(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
