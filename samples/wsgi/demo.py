# ruff: noqa: T201 - a demo prints its results
"""Runs the sample application under every installed server, with visitors, notifications and a new artifact::

    python samples/wsgi/demo.py                  # all servers
    python samples/wsgi/demo.py uwsgi waitress   # these servers

Each server has its own Target edge on this machine. The application decides on-device. The demo prints what it
measures. The exit code is 0 if everything worked.
"""

import argparse
import contextlib
import http.client
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Set
from urllib.parse import urlencode

import serve

from target_python_sdk.local_edge import LocalEdge

VISITORS = ("Ada", "Ben", "Cleo")
PAGES = 4
GREETINGS = ("Good to see you", "Welcome to the mountains")
CHANGED = "The summer sale is on"
#: The polling interval in milliseconds. In production, use minutes.
POLLING_INTERVAL = 300
#: The longest wait for a server, in seconds.
TIMEOUT = 20.0
#: The longest acceptable duration of a stop, in seconds.
STOP_LIMIT = 2.0

_GREETING = re.compile(r'id="greeting"><div>(.*?)</div>')
_REPORTS = re.compile(r'data-display="(.*?)" data-click="(.*?)" data-state="(.*?)"')


class DemoFailed(Exception):
    """A step of the demo that failed."""


class Page(NamedTuple):
    """A page of the shop."""

    process: int
    greeting: str
    #: The tokens of a display and of a click on the products, and their state.
    display: str
    click: str
    state: str


class Visitor:
    """A browser that stores cookies."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.cookies: Dict[str, str] = {}
        self.greetings: Set[str] = set()
        self._port = port

    def open_page(self) -> Page:
        """Open the page, and report the display of the products as the page's script does."""
        process, text = self._request("GET", "/")
        greeting, reports = _GREETING.search(text), _REPORTS.search(text)
        if greeting is None or reports is None:
            raise DemoFailed(f"{self.name} got a page without an offer")
        self.greetings.add(greeting.group(1))
        page = Page(process, greeting.group(1), *reports.groups())
        self._notify("display", page.display, page.state)
        return page

    def click(self, page: Page) -> None:
        """Click the button on the page."""
        self._notify("click", page.click, page.state)

    def _notify(self, kind: str, tokens: str, state: str) -> None:
        self._request("POST", "/notify", urlencode({"type": kind, "tokens": tokens, "state": state}))

    def _request(self, method: str, path: str, form: str = "") -> "tuple[int, str]":
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, form, {"Cookie": cookies, "Connection": "close"} if cookies else {})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status not in (200, 204):
            raise DemoFailed(f"{method} {path}: status {answer.status}")
        for header in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
        return int(answer.headers["X-Process"]), text


class Shop:
    """The sample application under one server, with its edge."""

    def __init__(self, server: str, edge: LocalEdge, port: int, folder: str) -> None:
        self.edge = edge
        self.stop_signal = serve.stop_signal(server)
        self._port = port
        # Apache runs as another user. This user must be able to read Apache's configuration in the folder.
        os.chmod(folder, 0o755)
        extra = ("--server-root", os.path.join(folder, "apache")) if server == "mod_wsgi" else ()
        self.command = serve.command(server, port, "app", *serve.RECOMMENDED_FLAGS.get(server, ()), *extra)
        self.workers = 1 if server in ("waitress", "wsgiref") else 2
        self._seen: Dict[int, str] = {}
        self._pages = self._clicks = 0
        self._lock = threading.Lock()
        self._log = os.path.join(folder, "log")
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                self.command, cwd=serve.HERE, env=self._environment(), stdout=log, stderr=log, start_new_session=True
            )

    def _environment(self) -> Dict[str, str]:
        chosen = {"TARGET_DECISIONING_METHOD": "on-device", "TARGET_POLLING_INTERVAL": str(POLLING_INTERVAL)}
        return {**serve.environment(self.edge.domain), **chosen}

    def until(self, condition: Callable[[], bool], what: str) -> float:
        """Wait until the condition is true, and return the seconds that it took.

        Raises ``DemoFailed`` after ``TIMEOUT`` seconds, or if the server ends.
        """
        began = time.monotonic()
        while not condition():
            if self._process.poll() is not None or time.monotonic() - began > TIMEOUT:
                raise DemoFailed(f"gave up waiting for {what}\n{self.last_lines()}")
            time.sleep(0.02)
        return time.monotonic() - began

    def answers(self) -> bool:
        """Return whether the server answers."""
        try:
            self.visit(Visitor("the first", self._port))
        except OSError:
            return False
        return True

    def visit(self, visitor: Visitor, click: bool = False) -> Page:
        """Open a page for ``visitor``, click the button if ``click`` is True, and count both."""
        page = visitor.open_page()
        if click:
            visitor.click(page)
        with self._lock:
            self._seen[page.process] = page.greeting
            self._pages += 1
            self._clicks += click
        return page

    def visit_concurrently(self) -> None:
        """Send so many visitors at once that every worker has to answer one."""
        visitors = [Visitor("one of many", self._port) for _ in range(8)]
        threads = [threading.Thread(target=self.visit, args=(visitor,)) for visitor in visitors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def all_workers_answer(self) -> bool:
        """Return whether every worker process has answered."""
        self.visit_concurrently()
        return len(self._seen) >= self.workers

    def all_workers_show(self, greeting: str) -> bool:
        """Return whether every worker process shows this greeting."""
        self.visit_concurrently()
        return set(self._seen.values()) == {greeting}

    def stop(self) -> float:
        """Stop the server, and return the seconds that it took."""
        began = time.monotonic()
        in_time = serve.stop(self._process, self.stop_signal, TIMEOUT)
        if not in_time:
            raise DemoFailed(f"did not stop within {TIMEOUT:.0f} s\n{self.last_lines()}")
        return time.monotonic() - began

    def end(self) -> None:
        """Kill all processes."""
        serve.stop(self._process, signal.SIGKILL, TIMEOUT)

    def last_lines(self) -> str:
        """Return the end of the server's log."""
        with open(self._log, errors="replace") as log:
            return "".join(log.readlines()[-12:])

    @property
    def processes(self) -> List[int]:
        """The worker processes that have answered."""
        return sorted(self._seen)

    def expected(self) -> Dict[str, int]:
        """Return how many notifications of each type the edge should have. Each page displays three offers."""
        return {"display": 3 * self._pages, "click": self._clicks}

    def recorded(self) -> Dict[str, int]:
        """Return how many notifications of each type the edge has; each id counts once."""
        types = {notification["id"]: notification["type"] for notification in self.edge.notifications}
        return {kind: list(types.values()).count(kind) for kind in ("display", "click")}

    def visitors(self) -> List[Visitor]:
        """Return the visitors that open several pages."""
        return [Visitor(name, self._port) for name in VISITORS]


def activities(*greetings: str) -> Dict[str, Any]:
    """Return the activities: visitors are divided among the greetings, and all get the same products."""
    products = {"title": "Bestsellers", "products": [{"name": "Trail jacket", "price": 129.0}]}
    experiences = [{"name": text, "offer": {"html": f"<div>{text}</div>"}} for text in greetings]
    locations: List[Any] = [
        ("Greeting", "a1-serverside-ab", experiences),
        ("Products", "product-recommendations", [{"name": "All visitors", "offer": {"json": products}}]),
        ("Flags", "demo-engineering-flags", [{"name": "All visitors", "offer": {"json": {"searchProviderId": 143}}}]),
    ]
    clicks = {"metrics": [{"type": "click", "selector": "#offer button"}]}
    return {
        "client": "acmeclient",
        "activities": [
            {"id": 1000 + number, "name": name, "locations": [location], "experiences": experiences, **clicks}
            for number, (name, location, experiences) in enumerate(locations)
        ],
    }


@contextlib.contextmanager
def open_shop(server: str) -> Iterator[Shop]:
    """Run the sample under that server, and kill all its processes at the end."""
    with LocalEdge(activities(*GREETINGS)) as edge, tempfile.TemporaryDirectory() as folder:
        shop = Shop(server, edge, serve.free_port(), folder)
        try:
            yield shop
        finally:
            shop.end()


def show(server: str) -> None:
    """Run the demo with one server. Raises ``DemoFailed``."""
    print(f"\n{server}", flush=True)
    with open_shop(server) as shop:
        say("command", " ".join(map(shlex.quote, shop.command)).replace(os.path.dirname(sys.executable) + os.sep, ""))
        ready = shop.until(shop.answers, "the first answer")
        shop.until(shop.all_workers_answer, f"{shop.workers} workers")
        say("workers", f"{', '.join(map(str, shop.processes))}, first answer after {ready:.1f} s")
        for visitor in shop.visitors():
            pages = [shop.visit(visitor, click=number == 0) for number in range(PAGES)]
            workers, greetings = len({page.process for page in pages}), " / ".join(visitor.greetings)
            say(visitor.name, f"{greetings!r} on {len(pages)} pages, from {workers} of {len(shop.processes)} workers")
            if len(visitor.greetings) != 1:
                raise DemoFailed(f"{visitor.name} got different greetings on different pages")
        shop.edge.load(activities(CHANGED))
        seconds = shop.until(lambda: shop.all_workers_show(CHANGED), "the new artifact in every worker")
        interval = POLLING_INTERVAL / 1000
        workers = len(shop.processes)
        say("artifact", f"a new one in all {workers} workers after {seconds:.2f} s, polled every {interval:.1f} s")
        seconds = shop.stop()
        say("stopped", f"{seconds:.1f} s after {shop.stop_signal.name}")
        expected, recorded = shop.expected(), shop.recorded()
        for kind in expected:
            say("edge", f"received {recorded[kind]} of {expected[kind]} {kind}s")
        if recorded != expected:
            raise DemoFailed("notifications were lost")
        if seconds > STOP_LIMIT:
            raise DemoFailed(f"the server should stop within {STOP_LIMIT:.0f} s")


def say(what: str, text: str) -> None:
    """Print one line."""
    print(f"  {what:<9} {text}", flush=True)


def main(arguments: List[str]) -> int:
    """Run the demo with each server, and return the exit code."""
    parser = argparse.ArgumentParser(description="Run the sample application under every installed server.")
    parser.add_argument("server", nargs="*", choices=[*serve.SERVERS, []], help="default: all installed servers")
    named = parser.parse_args(arguments).server
    # A shell starts a program in the background with SIGINT ignored, and the servers would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = 0
    servers = named or list(serve.SERVERS)
    for server in servers:
        if serve.missing(server):
            print(f"\n{server}\n  {serve.missing(server)}")
            failed += bool(named)
            continue
        try:
            show(server)
        except DemoFailed as error:
            failed += 1
            say("FAILED", str(error))
        except KeyboardInterrupt:
            print("\ninterrupted; all processes are stopped")
            return 130
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
