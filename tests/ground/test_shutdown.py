"""The end of a process, where not Python is the first to tell of it."""

import sys
import types

import pytest

from target_tools.concurrency.task_workers import WorkerPool
from tests.reliability.conftest import python

SUBSCRIBING = """
    import sys, types
    apache = types.ModuleType("mod_wsgi")
    apache.application_group, heard = "GROUP", []
    apache.subscribe_shutdown = heard.append
    sys.modules["mod_wsgi"] = apache
    from target_python_sdk import TargetClient
    from target_python_sdk.testing import SocketServer, answer
    from tests.support import ANSWER, client_of, offers

    with SocketServer(answer(ANSWER)) as server:
        told = []
        client = client_of(server)
        for _ in range(3):
            client.get_offers({**offers(), "callback": told.append})
        print(len(heard))
        for hear in heard:
            hear("process_stopping", reason="test")
            print(len(told), client.stats()["threads"])
"""


@pytest.mark.server
@pytest.mark.parametrize("group, lines", [("shop", ["1", "3 0"]), ("", ["0"])], ids=["sub-interpreter", "main"])
def test_in_a_sub_interpreter_of_mod_wsgi_the_end_is_heard_of_before_threads_are_taken_away(group, lines):
    done = python(SUBSCRIBING.replace("GROUP", group))
    assert done.stdout.splitlines() == lines, done.stderr


def test_a_module_of_that_name_that_tells_nothing_is_no_harm(monkeypatch):
    monkeypatch.setitem(sys.modules, "mod_wsgi", types.ModuleType("mod_wsgi"))
    assert WorkerPool(1, 1, 1.0, "test").threads() == 0
