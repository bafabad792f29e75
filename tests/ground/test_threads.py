"""How threads are started and named, and the uWSGI processes in which no thread may run."""

import os
import subprocess
import sys
import threading
import types

import pytest

from target_tools.concurrency.threads import STARTING_THREADS, is_about_to_fork, start_thread, thread_name
from tests.reliability.conftest import python
from tests.support import uwsgi

PID = os.getpid()
ABOUT_TO_FORK = {
    "a master, before it forks and while it may fork again": {"master": PID},
    "a master with one worker": {"master": PID, "processes": 1},
    "no master, before the workers are forked": {},
}
NOT_ABOUT_TO_FORK = {
    "a worker": {"worker": 1, "master": PID + 1},
    "a mule or spooler, which is neither a worker nor the master": {"master": PID + 1},
    "no master, the first worker": {"worker": 1},
    "no master and one process": {"processes": 1},
}


@pytest.mark.parametrize("state", ABOUT_TO_FORK.values(), ids=list(ABOUT_TO_FORK))
def test_no_thread_is_started_if_uwsgi_is_about_to_fork(state, monkeypatch):
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(**state))
    assert is_about_to_fork()
    with pytest.raises(RuntimeError, match="about to fork"):
        start_thread(pytest.fail)


@pytest.mark.parametrize("state", NOT_ABOUT_TO_FORK.values(), ids=list(NOT_ABOUT_TO_FORK))
def test_threads_are_started_in_the_other_processes_of_uwsgi(state, monkeypatch):
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(**state))
    ran = threading.Event()
    start_thread(ran.set)
    assert ran.wait(10)


def test_an_unrelated_module_named_uwsgi_is_ignored(monkeypatch):
    monkeypatch.setitem(sys.modules, "uwsgi", types.ModuleType("uwsgi"))
    assert not is_about_to_fork()


@pytest.mark.parametrize("name", ["settrace", "setprofile"])
def test_a_thread_installs_the_trace_functions_of_threading(name):
    """Debuggers, profilers and coverage need these functions to follow code into new threads."""
    seen, done = [], threading.Event()

    def observe(frame, event, argument):
        seen.append(frame.f_code.co_name)

    def function():
        done.set()

    install = getattr(threading, name)
    before = getattr(sys, name.replace("set", "get"))()
    thread_hook = getattr(threading, f"_{name[3:]}_hook")  # Python 3.8 and 3.9 have no public function to read it
    install(observe)
    try:
        start_thread(function)
        assert done.wait(10)
    finally:
        install(thread_hook)
    assert "function" in seen
    assert getattr(sys, name.replace("set", "get"))() is before


def test_a_thread_is_registered_with_its_name_only_during_the_block():
    names, done = [], threading.Event()

    def function(name):
        with thread_name(name):
            names.append(threading.current_thread().name)
        names.append(threading.get_ident() in threading._active)
        done.set()

    start_thread(function, ("target-test",))
    assert done.wait(10)
    assert names == ["target-test", False]


#: Starts a thread that does not run at once, as can happen on a busy machine.
STARTING_LATE = """
    import _thread, time
    from target_tools.concurrency import shutdown
    from target_tools.concurrency.threads import STARTING_THREADS, start_thread
    shutdown.IDLE_EXIT_SECONDS = 60.0
    start = _thread.start_new_thread
    def start_late(function, arguments):
        return start(lambda: (time.sleep(0.1), function(*arguments)), ())
    _thread.start_new_thread = start_late
    start_thread(lambda: print("ran", flush=True))
    print(STARTING_THREADS.count(), flush=True)
"""


@pytest.mark.server
def test_the_exit_waits_for_a_thread_that_has_not_run_yet():
    done = python(STARTING_LATE)
    assert done.stdout.splitlines() == ["1", "ran"], done.stderr


def test_a_child_does_not_wait_for_threads_that_only_its_parent_started(monkeypatch):
    monkeypatch.setattr(STARTING_THREADS, "_processes", {object(): os.getpid() + 1})
    assert STARTING_THREADS.count() == 0


def test_a_thread_that_could_not_be_started_is_not_counted(monkeypatch):
    def refuse(function, arguments):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    before = STARTING_THREADS.count()
    with pytest.raises(RuntimeError, match="can't start"):
        start_thread(pytest.fail)
    assert STARTING_THREADS.count() == before


#: Creates a client in a process that looks like uWSGI's master, and forks. Unlike uWSGI, ``os.fork`` calls fork hooks.
PREFORKING = """
    import os, sys, threading, time, types
    uwsgi = types.ModuleType("uwsgi")
    uwsgi.master, uwsgi.worker = os.getpid(), 0
    uwsgi.masterpid, uwsgi.worker_id, uwsgi.numproc = lambda: uwsgi.master, lambda: uwsgi.worker, 1
    sys.modules["uwsgi"] = uwsgi
    from target_python_sdk import TargetClient
    from target_python_sdk.local_edge import LocalEdge
    from tests.decisioning.cdn import artifact, options
    from tests.support import content, eventually, offers

    edge = LocalEdge(artifact("<b>A</b>")).start()
    def threads():
        return [thread.name for thread in threading.enumerate() if thread.name == "target-acmeclient-artifact"]
    received = []
    client = TargetClient.create(options(edge, server_domain=edge.domain, polling_interval=20,
                                         decisioning_method="METHOD",
                                         events={"client_ready": lambda: received.append(os.getpid())}))
    time.sleep(0.2)
    # Flushed, because a child would inherit the buffer and write it again.
    print("master", threads(), content(client.get_offers(offers())), received == [os.getpid()], flush=True)
    pid = os.fork()
    if pid == 0:
        uwsgi.worker = 1
        seen = lambda: content(client.get_offers(offers()))
        assert seen() == "<b>A</b>"
        print("worker", eventually(threads) and threads(), flush=True)
        os._exit(0 if eventually(lambda: seen() == "<b>B</b>") else 1)
    time.sleep(0.1)
    edge.load(artifact("<b>B</b>"))
    print("refreshed", os.waitpid(pid, 0)[1] == 0)
"""


@pytest.mark.server
@pytest.mark.parametrize("method", ["on-device", "hybrid"])
def test_a_client_that_is_created_before_a_fork_of_uwsgi_polls_only_in_the_workers(method, root):
    script = PREFORKING.replace("METHOD", method).replace("\n    ", "\n")
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=root, check=False)
    assert done.stdout.splitlines() == [
        "master [] <b>A</b> True",
        "worker ['target-acmeclient-artifact']",
        "refreshed True",
    ], done.stderr[-3000:]
