"""``client_ready`` is emitted once, after ``create`` has returned (D7, D9)."""

import subprocess
import sys
import textwrap
import threading
import time

import pytest

from target_python_sdk import TargetClient, ready_event
from target_python_sdk.events import CLIENT_READY_DELAY
from target_tools.concurrency.threads import start_thread
from tests.support import eventually

OPTIONS = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"}


def run(script, **options):
    """Run ``script`` in a new process and return what it prints."""
    code = textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False, **options
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


@pytest.fixture
def create_has_returned(monkeypatch):
    """Yield an event. The thread that emits ``client_ready`` begins its delay once the test has set this event."""
    has_returned = threading.Event()

    def start_later(emit):
        start_thread(lambda: has_returned.wait(20) and emit())

    monkeypatch.setattr(ready_event, "start_thread", start_later)
    yield has_returned
    has_returned.set()


def test_client_ready_is_emitted_once_after_create_has_returned(create_has_returned):
    emitted = []
    emission = threading.Event()

    def ready(event):
        emitted.append((event.type, event["type"], target_client is not None))
        emission.set()

    target_client = None
    target_client = TargetClient.create({**OPTIONS, "events": {"client_ready": ready}})
    assert target_client._ready._due.seconds == CLIENT_READY_DELAY
    assert emitted == []
    create_has_returned.set()
    assert emission.wait(20)
    time.sleep(0.2)
    assert emitted == [("client_ready", "client_ready", True)]
    target_client.close()


def test_a_subscriber_may_have_no_parameter():
    emission = threading.Event()
    with TargetClient.create({**OPTIONS, "events": {"client_ready": emission.set}}):
        assert emission.wait(20)


def test_an_exception_of_a_subscriber_is_logged(caplog):
    tried = threading.Event()

    def ready():
        tried.set()
        raise RuntimeError("mine")

    with TargetClient.create({**OPTIONS, "events": {"client_ready": ready}}):
        assert tried.wait(20)
        assert eventually(lambda: "client_ready raised" in caplog.text)
    assert "RuntimeError: mine" in caplog.text


def test_without_a_subscriber_no_thread_is_started():
    before = threading.active_count()
    with TargetClient.create(OPTIONS):
        assert threading.active_count() == before


def test_a_closed_client_does_not_emit_client_ready(create_has_returned):
    emitted = []
    TargetClient.create({**OPTIONS, "events": {"client_ready": lambda: emitted.append(1)}}).close()
    create_has_returned.set()
    time.sleep(0.2)
    assert emitted == []


@pytest.mark.process
def test_client_ready_is_emitted_at_exit_if_the_script_ends_at_once():
    script = """
        from target_python_sdk import TargetClient
        def ready():
            print("ready", target_client)
        target_client = TargetClient.create({"client": "acmeclient", "organization_id": "1@AdobeOrg",
                                             "events": {"client_ready": ready}})
    """
    assert run(script) == "ready <TargetClient acmeclient>\n"


@pytest.mark.process
def test_a_subscriber_that_hangs_delays_the_exit_by_shutdown_timeout_at_most():
    script = """
        import time
        from target_python_sdk import TargetClient
        TargetClient.create({"client": "acmeclient", "organization_id": "1@AdobeOrg", "shutdown_timeout": 300,
                             "events": {"client_ready": lambda: time.sleep(90)}})
    """
    began = time.monotonic()
    assert run(script) == ""
    assert time.monotonic() - began < 20


@pytest.mark.process
def test_client_ready_is_emitted_at_exit_if_no_thread_can_be_started():
    script = """
        import _thread
        def refuse(*_):
            raise RuntimeError("can't start new thread")
        _thread.start_new_thread = refuse
        from target_python_sdk import TargetClient
        TargetClient.create({"client": "acmeclient", "organization_id": "1@AdobeOrg",
                             "events": {"client_ready": lambda: print("emitted")}})
        print("main ends")
    """
    assert run(script) == "main ends\nemitted\n"


@pytest.mark.process
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="this system has no os.fork")
def test_a_forked_child_without_calls_does_not_emit_client_ready():
    script = """
        import os, sys
        from target_python_sdk import TargetClient
        TargetClient.create({"client": "acmeclient", "organization_id": "1@AdobeOrg",
                             "events": {"client_ready": lambda: print("emitted", flush=True)}})
        import warnings
        warnings.simplefilter("ignore")
        if os.fork() == 0:
            sys.exit(0)
        os.wait()
    """
    assert run(script) == "emitted\n"


#: Prints which processes emit ``client_ready``. A statement in place of LATER can delay the fork.
FORKING_PROGRAM = """
    import logging, os, time, warnings
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    from target_python_sdk import TargetClient
    from tests.support import offers
    parent = os.getpid()
    def report():
        print("emitted in the", "parent" if os.getpid() == parent else "child", flush=True)
    client = TargetClient.create({"client": "acmeclient", "organization_id": "1@AdobeOrg", "timeout": 100, "retries": 1,
                                  "server_domain": "127.0.0.1:9", "secure": False, "on_error": "default",
                                  "events": {"client_ready": report}})
    LATER
    if os.fork() == 0:
        client.get_offers(offers())
        client.get_offers(offers())
        time.sleep(0.3)
        os._exit(0)
    os.wait()
"""


@pytest.mark.process
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="this system has no os.fork")
@pytest.mark.parametrize("later, lines", [("", ["child", "parent"]), ("time.sleep(0.3)", ["parent"])])
def test_a_child_emits_client_ready_with_its_first_call_unless_it_was_emitted_before_the_fork(later, lines):
    emitted = run(FORKING_PROGRAM.replace("LATER", later)).splitlines()
    assert sorted(emitted) == ["emitted in the " + where for where in lines]


@pytest.mark.process
def test_the_first_call_after_the_delay_emits_client_ready_if_no_thread_can_be_started():
    script = """
        import _thread, logging, time
        logging.disable(logging.CRITICAL)
        def refuse(*_):
            raise RuntimeError("can't start new thread")
        _thread.start_new_thread = refuse
        from target_python_sdk import TargetClient
        from tests.support import offers
        client = TargetClient.create({"client": "acmeclient", "organization_id": "1@AdobeOrg", "timeout": 100,
                                      "server_domain": "127.0.0.1:9", "secure": False, "on_error": "default",
                                      "retries": 1, "events": {"client_ready": lambda: print("emitted")}})
        client.get_offers(offers())
        print("too early")
        time.sleep(0.2)
        for _ in range(3):
            client.get_offers(offers())
        print("main ends")
    """
    assert run(script) == "too early\nemitted\nmain ends\n"


@pytest.mark.process
def test_two_threads_that_emit_client_ready_do_not_delay_the_exit():
    script = """
        import time
        from target_python_sdk import TargetClient
        client = TargetClient.create({"client": "acmeclient", "organization_id": "1234567890@AdobeOrg",
                                      "shutdown_timeout": 50000,
                                      "events": {"client_ready": lambda: print("emitted", flush=True)}})
        for event in (client._ready.for_this_process(), client._ready.for_this_process()):
            event.start()
        time.sleep(0.3)
    """
    began = time.monotonic()
    assert run(script) == "emitted\n"
    assert time.monotonic() - began < 20
