"""gunicorn with each kind of worker, with and without ``--preload``: reloads, recycled workers, stops (T14, T6)."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.reliability.conftest import scaled
from tests.servers.serving import SHUTDOWN, SLACK, SLOW, STOP, Serving, check_refresh_replacement_and_stop

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODES = {
    "sync": ("gunicorn",),
    "sync --preload": ("gunicorn", "--preload"),
    "gthread": ("gunicorn-gthread",),
    "gthread --preload": ("gunicorn-gthread", "--preload"),
    "gevent": ("gunicorn-gevent",),
    "gevent --preload": ("gunicorn-gevent", "--preload"),
}


@pytest.mark.parametrize("mode", MODES)
def test_t14_every_worker_gets_new_artifacts_and_can_be_replaced_and_stopped(mode, figure):
    check_refresh_replacement_and_stop("gunicorn " + mode, MODES[mode], figure)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("calls", scaled(2000, 200))
def test_t14_workers_are_recycled_and_every_callback_runs(mode, calls, figure):
    with Serving(*MODES[mode], "--max-requests", "30") as site:
        first, pids = site.wait_for_each_worker(), set()
        for _ in range(2):
            pids.update(answer["pid"] for answer in site.get_many(calls // 2, "/fire?count=1&mbox=quick"))
            site.process.until(lambda: not set(site.workers()) & set(first), what="the exit of the first workers")
        site.process.until(lambda: len(site.notes("ran")) >= calls, what="every callback")
        ran, failed = len(site.notes("ran")), site.notes("failed")
    figure(f"gunicorn {mode}, max-requests 30: callbacks run, by {len(pids)} workers", ran, calls)
    assert len(pids) > 2
    assert (ran, failed) == (calls, [])


@pytest.mark.parametrize("mode", MODES)
def test_t14_t6_a_stop_waits_for_callbacks_but_not_for_calls_that_hang(mode, figure):
    with Serving(*MODES[mode]) as site:
        site.wait_for_each_worker()  # gunicorn's gevent workers miss a SIGTERM that comes while they start
        site.get_many(4, "/hang")
        site.get_many(4, "/fire?count=4")
        before = len(site.notes("ran"))
        stop = site.stop()
        ran = len(site.notes("ran"))
    name = f"gunicorn {mode}: "
    figure(name + "callbacks run of those outstanding at the stop", ran - before, 16 - before)
    figure(name + "stop with hung calls, s", stop, "2 + a shutdown_timeout of 1")
    assert before < ran == 16
    assert stop < STOP + SHUTDOWN + SLACK


@pytest.mark.parametrize("server", ["gunicorn-gevent", "uwsgi-gevent"])
def test_t14_calls_do_not_block_the_hub_of_gevent(server, figure):
    one_worker = ("--workers", "1") if server.startswith("gunicorn") else ("--processes", "1")
    with Serving(server, *one_worker) as site, ThreadPoolExecutor(40) as visitors:
        site.get("/pause")
        site.get_many(20, "/ask", 20)
        site.get("/pause")
        began = time.monotonic()
        futures = [visitors.submit(site.get, path) for path in ["/ask"] * 10 + ["/fire?count=2"] * 10 + ["/"] * 10]
        answers = [answer.result() for answer in futures]
        elapsed = time.monotonic() - began
        longest = site.get("/pause")["longest"]
    name = f"{server}: "
    figure(name + "longest pause of the hub during 40 calls, s", longest, "0.02")
    figure(name + f"10 blocking calls of {SLOW} s in one process, s", elapsed, SLOW)
    assert len(answers) == 30
    assert longest < SLOW / 2
