"""waitress, and mod_wsgi in Apache (T6, T7); and the sample application under every server."""

import contextlib
import http.client
import re
import signal
import sys

import pytest

from samples.wsgi import serve
from tests.servers.processes import ROOT, Process, free_port
from tests.servers.serving import INTERVAL, SHUTDOWN, SLACK, STOP, Serving, skip_if_missing

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODES = {
    "waitress": ("waitress",),
    "mod_wsgi, main interpreter": ("mod_wsgi",),
    "mod_wsgi, sub-interpreter": ("mod_wsgi", "--application-group", "shop"),
}
GROUPS = {"waitress": None, "mod_wsgi, main interpreter": "", "mod_wsgi, sub-interpreter": "shop"}


@pytest.mark.parametrize("mode", MODES)
def test_t7_each_worker_refreshes_and_stops(mode, figure):
    with Serving(*MODES[mode]) as site:
        site.wait_for_each_worker()
        answers = site.get_many(200)
        wait = site.publish_and_wait()
        stop = site.stop()
        log = site.process.log
    assert {answer["group"] for answer in answers} == {GROUPS[mode]}
    figure(mode + ": a new artifact in every worker, s", wait, f"{INTERVAL} (an interval)")
    figure(mode + ": stop, s", stop, "2 at most")
    assert wait < INTERVAL + SLACK
    assert stop < STOP + SLACK
    assert "Fatal" not in log
    assert "Traceback" not in log


@pytest.mark.parametrize("mode", MODES)
def test_t6_a_stop_waits_for_callbacks_but_not_for_calls_that_hang(mode, figure):
    with Serving(*MODES[mode]) as site:
        site.wait_for_each_worker()
        site.get_many(4, "/hang")
        site.get_many(4, "/fire?count=4")
        before = len(site.notes("ran"))
        stop = site.stop()
        ran = len(site.notes("ran"))
    figure(mode + ": callbacks run of those outstanding at the stop", ran - before, 16 - before)
    figure(mode + ": stop with hung calls, s", stop, "2 + a shutdown_timeout of 1")
    assert before < ran == 16
    assert stop < STOP + SHUTDOWN + SLACK


@pytest.mark.parametrize("server", serve.SERVERS)
def test_the_sample_application_is_served_by_one_command(server):
    skip_if_missing(server)
    port = free_port()
    # One worker: a second one of gunicorn might still be starting and miss the signal.
    one_worker = ["--workers", "1"] if server.startswith("gunicorn") else []
    command = [sys.executable, ROOT / "samples" / "wsgi" / "serve.py", server, "--port", port, *one_worker]
    with Process(command, TARGET_SERVER_DOMAIN="") as process:
        try:
            first = process.until(lambda: page(port), what="the page")
            assert "mbox=" in first.headers["Set-Cookie"]
            cookies = "; ".join(line.partition(";")[0] for line in first.headers.get_all("Set-Cookie"))
            second = page(port, cookies)
            assert (first.status, second.status) == (200, 200)
            assert session(second) == session(first)
        finally:
            process.stop(signal.SIGINT)  # the command stops the server, which is in another process group
        assert process.popen.returncode == 0


def page(port, cookies=""):
    """Return the sample's answer for a visitor with these cookies, or None."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/", headers={"Cookie": cookies} if cookies else {})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return None
    return answer


def session(answer):
    """Return the session in the cookie of an answer."""
    return re.search(r"session(?:#|%23)([^#%|]+)", answer.headers["Set-Cookie"]).group(1)
