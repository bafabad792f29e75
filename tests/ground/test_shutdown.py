"""Process exit under mod_wsgi, which announces it before Python's exit handlers run."""

import sys
import types

import pytest

from target_tools.concurrency.task_workers import WorkerPool
from tests.reliability.conftest import python

SUBSCRIBING = """
    import sys, types
    apache = types.ModuleType("mod_wsgi")
    apache.application_group, subscribers = "GROUP", []
    apache.subscribe_shutdown = subscribers.append
    sys.modules["mod_wsgi"] = apache
    from target_python_sdk import TargetClient
    from target_python_sdk.testing import SocketServer, answer
    from tests.support import ANSWER, client_of, offers

    with SocketServer(answer(ANSWER)) as server:
        received = []
        client = client_of(server)
        for _ in range(3):
            client.get_offers({**offers(), "callback": received.append})
        print(len(subscribers))
        for subscriber in subscribers:
            subscriber("process_stopping", reason="test")
            print(len(received), client.stats()["threads"])
"""


@pytest.mark.server
def test_calls_are_drained_when_mod_wsgi_announces_the_shutdown_of_a_sub_interpreter():
    done = python(SUBSCRIBING.replace("GROUP", "shop"))
    assert done.stdout.splitlines() == ["1", "3 0"], done.stderr


@pytest.mark.server
def test_nothing_subscribes_to_mod_wsgi_in_the_main_interpreter():
    done = python(SUBSCRIBING.replace("GROUP", ""))
    assert done.stdout.splitlines() == ["0"], done.stderr


def test_an_unrelated_module_named_mod_wsgi_is_ignored(monkeypatch):
    monkeypatch.setitem(sys.modules, "mod_wsgi", types.ModuleType("mod_wsgi"))
    assert WorkerPool(1, 1, 1.0, "test").threads() == 0
