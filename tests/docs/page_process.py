"""Run the examples of a page as one program: ``python -m tests.docs.page_process EDGE PROGRAM``.

EDGE selects the edge behind every ``LocalEdge`` of the program and every client without a ``server_domain``:

* ``matching``: an edge with the activities that the program names, or else the sample activities. The program's
  functions ``test_…`` without parameters run afterwards. ``test_testing_page.py`` runs those with parameters.
* ``empty``: an edge without activities.
* ``down``: a port on which no server listens.
"""

import inspect
import runpy
import socket
import sys
from typing import Any, Dict

from target_python_sdk import client
from target_python_sdk.local_edge import LocalEdge

MATCHING, EMPTY, DOWN = EDGES = ("matching", "empty", "down")
#: The time in milliseconds that a client waits for a rule artifact if the edge is down. The default is 10 seconds.
SHORT_WAIT = 100


def replace_edges(edge: str, closed_port: int) -> None:
    """Empty every local edge if ``edge`` is ``empty``, or make it unreachable if ``edge`` is ``down``.

    Clients that are created without a domain use another local edge.
    """
    if edge == EMPTY:
        load = LocalEdge.load
        LocalEdge.load = lambda self, activities: load(self, {"activities": []})  # type: ignore[method-assign]
    if edge == DOWN:
        LocalEdge.domain = property(lambda self: f"127.0.0.1:{closed_port}")  # type: ignore[method-assign, assignment]
    default_edge = LocalEdge().start()
    original = client._constructor_options

    def constructor_options(options: Any, keywords: Any) -> Dict[str, Any]:
        client_options: Dict[str, Any] = {**(options or {}), **keywords}
        if "server_domain" not in client_options:
            client_options.update(server_domain=default_edge.domain, secure=False)
            client_options.setdefault("cdn_base_path", "http://" + default_edge.domain)
        if edge == DOWN:
            client_options["maximum_wait_ready"] = SHORT_WAIT
        return original(client_options, {})

    client._constructor_options = constructor_options


def main(edge: str, program: str) -> None:
    """Run the program."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # reserves the port
        replace_edges(edge, closed.getsockname()[1])
        names = runpy.run_path(program, run_name="__main__")
        if edge == MATCHING:
            for name in [name for name in names if name.startswith("test_")]:
                if not inspect.signature(names[name]).parameters:
                    names[name]()


if __name__ == "__main__":
    main(*sys.argv[1:])
