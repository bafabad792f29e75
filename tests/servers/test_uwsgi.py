"""uWSGI in every mode, with a client created at import: workers are killed, reloaded and stopped (T13, T6)."""

import contextlib
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.decisioning.cdn import artifact
from tests.reliability.conftest import scaled
from tests.servers.serving import SHUTDOWN, SLACK, STOP, Serving, check_refresh_replacement_and_stop

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODES = {
    "default": ("uwsgi",),
    "enable-threads": ("uwsgi", "--enable-threads"),
    "lazy-apps": ("uwsgi", "--lazy-apps"),
    "py-call-uwsgi-fork-hooks": ("uwsgi", "--py-call-uwsgi-fork-hooks"),
    "gevent": ("uwsgi", "--gevent", "50"),
    "gevent-monkey-patch": ("uwsgi-gevent",),
    "skip-atexit": ("uwsgi", "--skip-atexit"),
    "threads 4": ("uwsgi", "--threads", "4"),
}
#: The modes in which workers run exit handlers.
WITH_ATEXIT = [mode for mode in MODES if "gevent" not in mode and mode != "skip-atexit"]
#: The option that makes uWSGI finish requests before it stops.
GRACEFUL = ("--hook-master-start", "unix_signal:15 gracefully_kill_them_all")


#: The number of calls that ``fire_and_stop`` starts by default.
DEFAULT_CALLS = 16


def requests_have_ended(site, requests):
    """Return whether uWSGI has logged the end of all requests. If it is stopped earlier, it runs no exit handler."""
    return site.process.log.count("GET /fire") >= requests


def fire_and_stop(site, requests=4):
    """Return how many callbacks have run before the stop and in total, and the seconds that the stop took."""
    site.get_many(requests, "/fire?count=4")
    site.process.until(lambda: requests_have_ended(site, requests))
    time.sleep(0.05)
    before = len(site.notes("ran"))
    stop = site.stop()
    return before, len(site.notes("ran")), stop


@pytest.mark.parametrize("mode", MODES)
def test_t13_every_worker_gets_new_artifacts_and_can_be_replaced_and_stopped(mode, figure):
    check_refresh_replacement_and_stop("uWSGI " + mode, MODES[mode], figure)


@pytest.mark.parametrize("mode", WITH_ATEXIT)
def test_t13_t6_a_stop_waits_for_callbacks_but_not_for_calls_that_hang(mode, figure):
    with Serving(*MODES[mode]) as site:
        site.wait_for_each_worker()
        site.get_many(4, "/hang")
        before, ran, stop = fire_and_stop(site)
    name = f"uWSGI {mode}: "
    figure(name + "callbacks run of those outstanding at the stop", ran - before, DEFAULT_CALLS - before)
    figure(name + "stop with hung calls, s", stop, "2 + a shutdown_timeout of 1")
    assert before < ran == DEFAULT_CALLS
    assert stop < STOP + SHUTDOWN + SLACK


@pytest.mark.parametrize("mode", ["gevent", "gevent-monkey-patch"])
def test_t13_t6_under_gevent_the_exit_handler_of_uwsgi_waits_for_callbacks_but_not_for_calls_that_hang(mode, figure):
    # In its asynchronous modes, uWSGI does not run the exit handlers of Python.
    with Serving(*MODES[mode], FLUSH="uwsgi.atexit") as site:
        site.wait_for_each_worker()
        site.get_many(4, "/hang")
        before, ran, stop = fire_and_stop(site)
    name = f"uWSGI {mode}, with uwsgi.atexit: "
    figure(name + "callbacks run of those outstanding at the stop", ran - before, DEFAULT_CALLS - before)
    figure(name + "stop with hung calls, s", stop, "2 + a shutdown_timeout of 1")
    assert before < ran == DEFAULT_CALLS
    assert stop < STOP + SHUTDOWN + SLACK


def test_t13_t6_with_skip_atexit_only_a_flush_in_the_request_waits_for_calls(figure):
    with Serving(*MODES["skip-atexit"]) as site:
        site.wait_for_each_worker()
        site.get("/fire?count=4&then=flush")
        assert len(site.notes("ran")) == 4
        before, ran, stop = fire_and_stop(site, requests=1)
    figure("uWSGI skip-atexit: stop with calls outstanding, s", stop, "2 at most")
    assert before == ran == 4
    assert stop < STOP + SLACK


def test_t13_t6_a_stop_cuts_off_running_requests_unless_it_is_graceful(figure):
    ran = {}
    for name, extra in (("at once", ()), ("gracefully", GRACEFUL)):
        with Serving(*MODES["enable-threads"], *extra) as site, ThreadPoolExecutor(1) as pool:
            site.wait_for_each_worker()
            answer = pool.submit(site.get, "/fire?count=4&then=linger")
            site.process.until(lambda site=site: site.notes("lingers"))
            stop = site.stop()
            answered = answer.exception() is None
            ran[name] = (answered, len(site.notes("ran")))
        result = f"{answered}, {ran[name][1]} of 4, {stop:.1f}"
        figure(f"uWSGI stopped ({name}) during a request: answered, callbacks run, s", result, "")
    assert not ran["at once"][0]
    assert ran["gracefully"] == (True, 4)


@pytest.mark.parametrize("calls", scaled(2000, 40))
def test_t13_workers_are_recycled_and_every_callback_runs(calls, figure):
    with Serving(*MODES["enable-threads"], "--max-requests", "10", "--min-worker-lifetime", "0") as site:
        pids = {answer["pid"] for answer in site.get_many(calls, "/fire?count=1&mbox=quick")}
        site.process.until(lambda: len(site.notes("ran")) >= calls, what="every callback")
        ran, failed = len(site.notes("ran")), site.notes("failed")
    figure(f"uWSGI max-requests 10: callbacks run, by {len(pids)} workers", ran, calls)
    assert (ran, failed) == (calls, [])
    assert len(pids) > 2


@pytest.mark.parametrize("mode", ["default", "threads 4"])
def test_t13_a_server_side_client_does_not_delay_a_stop(mode, figure):
    with Serving(*MODES[mode], METHOD="server-side") as site:
        assert site.get()["content"] == "v0"
        stop = site.stop()
    figure(f"uWSGI {mode}: stop after one server-side request, s", stop, "2 at most (1.1.0: 62)")
    assert stop < STOP + SLACK


@contextlib.contextmanager
def changing_artifact(edge):
    """Serve a large artifact that changes continuously, so that polling is busy nearly all the time."""
    done = threading.Event()

    def publish():
        for number in itertools.takewhile(lambda _: not done.wait(0.02), itertools.count()):
            edge.load({**large, "meta": {**large["meta"], "number": number}})

    large = artifact()
    (rule,) = large["rules"]["mboxes"]["home"]
    large["rules"]["mboxes"].update({f"mbox{number}": [rule] for number in range(300)})
    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("forks", scaled(300, 20))
@pytest.mark.parametrize("mode", ["default", "enable-threads"])
def test_t13_workers_forked_while_a_client_polls_do_not_hang(mode, forks, figure):
    # If a thread of the SDK in the master held the interpreter lock during a fork, the worker would wait for the lock
    # forever.
    at_once = 10
    with Serving(*MODES[mode], "--processes", str(at_once), POLLING="1") as site, changing_artifact(site.edge):
        served = len(site.wait_for_each_worker())
        while served < forks:
            site.kill(*site.workers())
            served += at_once
        figure(f"uWSGI {mode}: workers forked, hung", f"{served}, 0", "0")
