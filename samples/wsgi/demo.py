# ruff: noqa: T201 - a demonstration shows what happens
"""The sample application under every server that is installed, with visitors, notifications and a new artifact::

    python samples/wsgi/demo.py                  # all of them
    python samples/wsgi/demo.py uwsgi waitress   # these

Each server gets a Target edge on this machine, decides on-device, and is stopped in the end.  Everything shown was
measured just then; the exit code is 0 if all went well.
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
#: Milliseconds; in production minutes.
POLLING_INTERVAL = 300
#: Seconds that a server has for anything it is waited for.
PATIENCE = 20.0
#: Seconds within which a server should have stopped.
STOPPED = 2.0

_GREETING = re.compile(r'id="greeting"><div>(.*?)</div>')
_TOKEN = re.compile(r'name="token" value="(.*?)"')


class Trouble(Exception):
    """What did not go well."""


class Page(NamedTuple):
    """An answer of the shop, as a browser has it."""

    process: int
    greeting: str
    token: str


class Visitor:
    """A browser: it keeps the cookies that it is given, and sends them along."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.cookies: Dict[str, str] = {}
        self.greetings: Set[str] = set()
        self._port = port

    def look(self) -> Page:
        """Open the page."""
        process, text = self._ask("GET", "/")
        greeting, token = _GREETING.search(text), _TOKEN.search(text)
        if greeting is None or token is None:
            raise Trouble("{} got a page without an offer".format(self.name))
        self.greetings.add(greeting.group(1))
        return Page(process, greeting.group(1), token.group(1))

    def click(self, page: Page) -> None:
        """Press the button on it."""
        self._ask("POST", "/clicked", urlencode({"token": page.token}))

    def _ask(self, method: str, path: str, form: str = "") -> "tuple[int, str]":
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        cookies = "; ".join("{}={}".format(*cookie) for cookie in self.cookies.items())
        try:
            connection.request(method, path, form, {"Cookie": cookies, "Connection": "close"} if cookies else {})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status not in (200, 303):
            raise Trouble("{} {}: status {}".format(method, path, answer.status))
        for header in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
        return int(answer.headers["X-Process"]), text


class Shop:
    """The sample application under one server, and the edge that it asks."""

    def __init__(self, server: str, edge: LocalEdge, port: int, folder: str) -> None:
        self.edge = edge
        self.stop_signal = serve.stop_signal(server)
        self._port = port
        # Apache keeps its configuration in a folder of its own, which its user must get into.
        os.chmod(folder, 0o755)
        own = ("--server-root", os.path.join(folder, "apache")) if server == "mod_wsgi" else ()
        self.command = serve.command(server, port, "app", *serve.ADVISED.get(server, ()), *own)
        self.workers = 1 if server == "waitress" else 2
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
        """Wait for it; the seconds it took."""
        began = time.monotonic()
        while not condition():
            if self._process.poll() is not None or time.monotonic() - began > PATIENCE:
                raise Trouble("waited in vain for {}\n{}".format(what, self.last_lines()))
            time.sleep(0.02)
        return time.monotonic() - began

    def answers(self) -> bool:
        """Whether the shop is open."""
        try:
            self.visit(Visitor("the first", self._port))
        except OSError:
            return False
        return True

    def visit(self, visitor: Visitor, click: bool = False) -> Page:
        """One page for that visitor, counted."""
        page = visitor.look()
        if click:
            visitor.click(page)
        with self._lock:
            self._seen[page.process] = page.greeting
            self._pages += 1
            self._clicks += click
        return page

    def crowd(self) -> None:
        """So many visitors at once that every worker has something to do."""
        visitors = [Visitor("one of many", self._port) for _ in range(8)]
        threads = [threading.Thread(target=self.visit, args=(visitor,)) for visitor in visitors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def all_at_work(self) -> bool:
        """Whether every worker process was seen, after one more crowd."""
        self.crowd()
        return len(self._seen) >= self.workers

    def all_say(self, greeting: str) -> bool:
        """Whether every worker process says so, after one more crowd."""
        self.crowd()
        return set(self._seen.values()) == {greeting}

    def stop(self) -> float:
        """Tell the server to stop; the seconds it took."""
        began = time.monotonic()
        in_time = serve.ended(self._process, self.stop_signal, PATIENCE)
        if not in_time:
            raise Trouble("did not stop within {:.0f} s\n{}".format(PATIENCE, self.last_lines()))
        return time.monotonic() - began

    def end(self) -> None:
        """Leave no process behind, whatever happened."""
        serve.ended(self._process, signal.SIGKILL, PATIENCE)

    def last_lines(self) -> str:
        """What the server said last."""
        with open(self._log, errors="replace") as log:
            return "".join(log.readlines()[-12:])

    @property
    def processes(self) -> List[int]:
        """The worker processes that answered so far."""
        return sorted(self._seen)

    def expected(self) -> Dict[str, int]:
        """The notifications that the edge should have: each page shows a greeting and products, and uses flags."""
        return {"display": 3 * self._pages, "click": self._clicks}

    def recorded(self) -> Dict[str, int]:
        """The notifications that it has, each id counted once."""
        told = {notification["id"]: notification["type"] for notification in self.edge.notifications}
        return {kind: list(told.values()).count(kind) for kind in ("display", "click")}

    def visitors(self) -> List[Visitor]:
        """Some who will come again."""
        return [Visitor(name, self._port) for name in VISITORS]


def activities(*greetings: str) -> Dict[str, Any]:
    """What the edge serves: visitors are divided among the greetings, all see the same products."""
    products = {"title": "Bestsellers", "products": [{"name": "Trail jacket", "price": 129.0}]}
    experiences = [{"name": text, "offer": {"html": "<div>{}</div>".format(text)}} for text in greetings]
    places: List[Any] = [
        ("Greeting", "a1-serverside-ab", experiences),
        ("Products", "product-recommendations", [{"name": "Everybody", "offer": {"json": products}}]),
        ("Flags", "demo-engineering-flags", [{"name": "Everybody", "offer": {"json": {"searchProviderId": 143}}}]),
    ]
    return {
        "client": "acmeclient",
        "activities": [
            {"id": 1000 + number, "name": name, "locations": [place], "experiences": arms}
            for number, (name, place, arms) in enumerate(places)
        ],
    }


@contextlib.contextmanager
def open_shop(server: str) -> Iterator[Shop]:
    """The sample under that server; no process of it is left afterwards."""
    with LocalEdge(activities(*GREETINGS)) as edge, tempfile.TemporaryDirectory() as folder:
        shop = Shop(server, edge, serve.free_port(), folder)
        try:
            yield shop
        finally:
            shop.end()


def show(server: str) -> None:
    """One server at work; raises ``Trouble``."""
    print("\n{}".format(server), flush=True)
    with open_shop(server) as shop:
        say("command", " ".join(map(shlex.quote, shop.command)).replace(os.path.dirname(sys.executable) + os.sep, ""))
        ready = shop.until(shop.answers, "the first answer")
        shop.until(shop.all_at_work, "{} workers".format(shop.workers))
        say("workers", "{}, the first answer after {:.1f} s".format(", ".join(map(str, shop.processes)), ready))
        for visitor in shop.visitors():
            pages = [shop.visit(visitor, click=number == 0) for number in range(PAGES)]
            asked = len({page.process for page in pages})
            say(visitor.name, "{!r} on {} pages, by {} of {} workers".format(
                " / ".join(visitor.greetings), len(pages), asked, len(shop.processes)))  # fmt: skip
            if len(visitor.greetings) != 1:
                raise Trouble("{} got another greeting on another page".format(visitor.name))
        shop.edge.load(activities(CHANGED))
        seconds = shop.until(lambda: shop.all_say(CHANGED), "the new artifact in every worker")
        say("artifact", "a new one is in use in all {} after {:.2f} s, polled every {:.1f} s".format(
            len(shop.processes), seconds, POLLING_INTERVAL / 1000))  # fmt: skip
        seconds = shop.stop()
        say("stopped", "{:.1f} s after {}".format(seconds, shop.stop_signal.name))
        expected, recorded = shop.expected(), shop.recorded()
        say("edge", "has {display} displays and {click} clicks".format(**recorded)
            + " of {display} and {click}".format(**expected))  # fmt: skip
        if recorded != expected:
            raise Trouble("notifications were lost")
        if seconds > STOPPED:
            raise Trouble("it should stop within {:.0f} s".format(STOPPED))


def say(what: str, text: str) -> None:
    """One line of the demonstration."""
    print("  {:<9} {}".format(what, text), flush=True)


def main(arguments: List[str]) -> int:
    """Show the servers; the result is the exit code."""
    parser = argparse.ArgumentParser(description="The sample application under every server that is installed.")
    parser.add_argument("server", nargs="*", choices=[*serve.SERVERS, []], help="default: all that are installed")
    named = parser.parse_args(arguments).server
    # A shell that starts this in the background has SIGINT ignored, which the servers would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = 0
    servers = named or list(serve.SERVERS)
    for server in servers:
        if serve.missing(server):
            print("\n{}\n  {}".format(server, serve.missing(server)))
            failed += bool(named)
            continue
        try:
            show(server)
        except Trouble as trouble:
            failed += 1
            say("FAILED", str(trouble))
        except KeyboardInterrupt:
            print("\ninterrupted; everything is stopped")
            return 130
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
