"""Serverless functions: calls end before the handler returns, and a frozen process works again after the thaw."""

import asyncio
import contextlib
import inspect
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from typing import Any, Callable, Dict, Iterator, List

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import OptionError
from target_python_sdk.integrations.serverless import flush_after
from target_python_sdk.testing import SocketServer, response
from target_python_sdk.testing.connection import Connection
from tests.conformance.builders import artifact, client_of, request_json, rule
from tests.support import ANSWER, LONG, ROOT, body_of, eventually

#: Seconds after which the edge closes an idle connection.
KEEP_ALIVE = 0.2

Run = Callable[[Callable[..., Any]], Any]


@pytest.fixture
def client() -> Iterator[TargetClient]:
    """Yield a client that decides on-device and opens no connection."""
    with client_of(artifact(home=[rule("A")])) as made:
        yield made


class SlowCallback:
    """A callback that ends only when it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.ended = threading.Event()

    def __call__(self, _: object) -> None:
        self.released.wait(LONG / 1000)
        self.ended.set()

    def start(self, client: TargetClient) -> None:
        """Make a call with this callback."""
        client.get_offers(request=request_json(), callback=self)


def call_sync(decorate: Callable[[Any], Any], body: Callable[[], Any]) -> Any:
    """Call a decorated function with this body."""

    @decorate
    def handler() -> Any:
        return body()

    return handler()


def call_async(decorate: Callable[[Any], Any], body: Callable[[], Any]) -> Any:
    """Call a decorated coroutine function with this body."""

    @decorate
    async def handler() -> Any:
        return body()

    return asyncio.run(handler())


both = pytest.mark.parametrize("call", [call_sync, call_async], ids=["sync", "async"])


@both
def test_calls_are_done_when_the_handler_returns(client: TargetClient, call: Callable[..., Any]) -> None:
    """The callback ends later than the body of the handler."""
    slow = SlowCallback()

    def body() -> str:
        slow.start(client)
        threading.Timer(0.05, slow.released.set).start()
        return "result"

    assert call(flush_after(client, timeout=LONG), body) == "result"
    assert slow.ended.is_set()


@both
def test_an_exception_of_the_handler_is_raised_after_the_flush(client: TargetClient, call: Callable[..., Any]) -> None:
    slow, error = SlowCallback(), KeyError("mine")

    def body() -> None:
        slow.start(client)
        threading.Timer(0.05, slow.released.set).start()
        raise error

    with pytest.raises(KeyError) as caught:
        call(flush_after(client, timeout=LONG), body)
    assert caught.value is error
    assert slow.ended.is_set()


@both
def test_a_flush_that_takes_too_long_logs_one_warning(
    client: TargetClient, call: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The result is returned at the time limit, and the call continues."""
    slow = SlowCallback()
    assert call(flush_after(client, timeout=50), lambda: slow.start(client) or "result") == "result"
    assert not slow.ended.is_set()
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert lines == ["Calls or notifications are not done 50 ms after the handler returned"]
    slow.released.set()
    assert client.flush(LONG)
    assert slow.ended.is_set()


def test_the_signature_is_kept(client: TargetClient) -> None:
    """Serverless platforms inspect the signatures of handlers."""

    def handler(event: Dict[str, Any], context: object = None) -> str:
        """Docstring."""
        return event["a"] + repr(context)

    async def handler_async(event: Dict[str, Any]) -> str:
        return str(event["a"])

    decorated, decorated_async = flush_after(client)(handler), flush_after(client)(handler_async)
    assert inspect.signature(decorated) == inspect.signature(handler)
    assert (decorated.__name__, decorated.__doc__) == ("handler", "Docstring.")
    assert decorated({"a": "1"}, context=2) == "12"
    assert inspect.iscoroutinefunction(decorated_async)
    assert asyncio.run(decorated_async({"a": "1"})) == "1"


def test_invalid_arguments_of_flush_after_raise_option_errors(client: TargetClient) -> None:
    def streaming(event: object) -> Iterator[bytes]:
        yield b""

    with pytest.raises(OptionError) as caught:
        flush_after(client)(streaming)
    assert str(caught.value) == (
        "Invalid argument 'handler': expected a function or a coroutine function, got a function; "
        "the body of streaming(event: object) -> Iterator[bytes] runs after it has returned"
    )
    without_client: Any = flush_after
    with pytest.raises(OptionError, match=r"expected a TargetClient, got a function; did you mean @flush_after\("):

        @without_client
        def handler(event: object) -> None: ...

    with pytest.raises(OptionError, match="Invalid option 'timeout'"):
        flush_after(client, timeout=-1)


# A real process


class Edge:
    """An edge that closes idle connections, alternately by FIN and by RST."""

    def __init__(self) -> None:
        self.ended: List[int] = []
        self.server = SocketServer(self._handle)

    def _handle(self, connection: Connection) -> None:
        connection.socket.settimeout(KEEP_ALIVE)
        with contextlib.suppress(socket.timeout):
            while connection.read_request():
                connection.send(response(ANSWER))
        if connection.number % 2:
            connection.close()
        else:
            connection.reset()
        self.ended.append(connection.number)

    def has_ended_all(self) -> bool:
        """Return whether all connections are closed."""
        return len(self.ended) == self.server.connections


class Function:
    """Runs ``serverless_process`` in a process that can be frozen."""

    def __init__(self, style: str, domain: str) -> None:
        command = [sys.executable, "-W", "error", "-m", "tests.integrations.serverless_process", style, domain]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def invoke(self, visitor: str) -> Dict[str, Any]:
        """Return the result of one invocation."""
        assert self.process.stdin and self.process.stdout
        print(visitor, file=self.process.stdin, flush=True)
        readable, _, _ = select.select([self.process.stdout], [], [], LONG / 1000)
        assert readable, "the function does not answer"
        result: Dict[str, Any] = json.loads(self.process.stdout.readline())
        return result

    def freeze(self) -> None:
        """Stop the process, and wait until it has stopped."""
        os.kill(self.process.pid, signal.SIGSTOP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def thaw(self) -> None:
        """Continue the process."""
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self) -> None:
        """End the process, whether it is frozen or not."""
        self.process.kill()
        self.process.communicate()


@pytest.mark.server
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system has no SIGSTOP")
@pytest.mark.parametrize("style", ["sync", "async"])
def test_a_frozen_process_works_after_the_thaw_and_loses_no_notification(style: str) -> None:
    """The process stays frozen until the edge has closed all connections."""
    edge, visitors = Edge(), [f"visitor-{number}" for number in range(3)]
    with edge.server:
        function = Function(style, edge.server.domain)
        try:
            result = function.invoke(visitors[0])
            for visitor in visitors[1:]:
                function.freeze()
                assert eventually(edge.has_ended_all)
                opened = edge.server.connections
                function.thaw()
                result = function.invoke(visitor)
                assert result["shown"] == ["decided here", "<b>A</b>"]
                assert edge.server.connections > opened
        finally:
            function.end()
    for counter in ("failures", "undelivered", "pending", "running"):
        assert result[counter] == 0
    bodies = [body_of(request) for request in edge.server.requests]
    for part in ("notifications", "execute"):
        assert [body["id"]["tntId"] for body in bodies if part in body] == visitors
    ids = [one["id"] for body in bodies for one in body.get("notifications", ())]
    assert len(set(ids)) == len(visitors)
