"""Errors while sending become errors of the SDK; errors of the application pass unchanged."""

import ctypes
import errno
import functools
import gc
import http.client
import os
import signal
import socket
import ssl
import threading
import weakref

import pytest
import urllib3.exceptions as urllib3_errors

from target_tools import foreign_errors
from target_tools.clock import Deadline
from target_tools.errors import ConnectionFailed, DeadlineExceeded, InvalidResponse, TlsError, TransportError
from target_tools.http import failures
from target_tools.http.failures import clear_frames, is_foreign, to_target_error
from target_tools.http.messages import HttpRequest, Origin
from target_tools.http.pools import Exchange
from target_tools.http.tls import CertificateFileError
from tests.support import LONG

WAIT = LONG / 1000
REQUEST = HttpRequest("POST", Origin("https", "edge.example", 443), "/secret", (), b"", 100)
ORIGIN = "https://edge.example"


class HookError(Exception):
    """An error of a test double or a hook."""


def exchange(phase, seconds=WAIT):
    """Return an exchange that has reached ``phase``."""
    deadline = Deadline.after(seconds)
    result = Exchange(deadline, None, deadline.at_most(seconds / 3) if phase == "opening, another host" else None)
    result.sent_at = 0.0 if phase.startswith("opening") else 1.0
    result.reused = phase in ("reused", "reused, receiving")
    result.received = 7 if phase in ("receiving", "reused, receiving") else 0
    return result


def protocol_error(error):
    """Return ``error`` as urllib3 wraps it."""
    return urllib3_errors.ProtocolError("Connection aborted.", error)


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
RESET = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
CLOSED = http.client.RemoteDisconnected("Remote end closed connection without response")
KERNEL_TIMEOUT = TimeoutError(errno.ETIMEDOUT, "Connection timed out")

OPENING = ["opening", "opening, another host"]
SENT = ["exchange", "receiving"]
SENT_OR_REUSED = [*SENT, "reused", "reused, receiving"]
ALL = [*OPENING, *SENT_OR_REUSED]

TABLE = [
    # a connection that cannot be opened
    (REFUSED, OPENING, ConnectionFailed, "opening"),
    (socket.gaierror(-2, "Name or service not known"), OPENING, ConnectionFailed, "opening"),
    (OSError(errno.ENETUNREACH, "Network is unreachable"), OPENING, ConnectionFailed, "opening"),
    (OSError(errno.EMFILE, "Too many open files"), OPENING, ConnectionFailed, "opening"),
    (KERNEL_TIMEOUT, OPENING, ConnectionFailed, "opening"),
    (urllib3_errors.NewConnectionError(None, "refused"), OPENING, ConnectionFailed, "opening"),
    (urllib3_errors.ProxyError("Cannot connect to proxy.", REFUSED), OPENING, ConnectionFailed, "opening"),
    (OSError("Tunnel connection failed: 502 Bad Gateway"), OPENING, ConnectionFailed, "opening"),
    (OSError("Tunnel connection failed: 407 Proxy Authentication"), OPENING, ConnectionFailed, "refused"),
    (urllib3_errors.ProxyError("no", OSError("Tunnel connection failed: 403")), OPENING, ConnectionFailed, "refused"),
    # a connection that is dropped
    (RESET, SENT, ConnectionFailed, "exchange"),
    (protocol_error(RESET), SENT, ConnectionFailed, "exchange"),
    (protocol_error(CLOSED), SENT, ConnectionFailed, "exchange"),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), SENT, ConnectionFailed, "exchange"),
    (KERNEL_TIMEOUT, SENT, ConnectionFailed, "exchange"),
    (http.client.IncompleteRead(b"{", 5), SENT, ConnectionFailed, "exchange"),
    (protocol_error(http.client.IncompleteRead(b"{", 5)), SENT, ConnectionFailed, "exchange"),
    (urllib3_errors.IncompleteRead(1, 5), SENT, ConnectionFailed, "exchange"),
    # a kept-alive connection that the server has closed
    (RESET, ["reused"], ConnectionFailed, "reuse"),
    (protocol_error(CLOSED), ["reused"], ConnectionFailed, "reuse"),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), ["reused"], ConnectionFailed, "reuse"),
    (RESET, ["reused, receiving"], ConnectionFailed, "exchange"),
    (http.client.IncompleteRead(b"{", 5), ["reused, receiving"], ConnectionFailed, "exchange"),
    # timeouts
    (socket.timeout("timed out"), ["opening", *SENT, "reused", "reused, receiving"], DeadlineExceeded, None),
    (urllib3_errors.ReadTimeoutError(None, "/", "timed out"), [*SENT, "reused"], DeadlineExceeded, None),
    (urllib3_errors.ConnectTimeoutError(None, "timed out"), ["opening"], DeadlineExceeded, None),
    (socket.timeout("timed out"), ["opening, another host"], ConnectionFailed, "opening"),
    (urllib3_errors.ConnectTimeoutError(None, "timed out"), ["opening, another host"], ConnectionFailed, "opening"),
    # TLS; with TLS 1.3 a server can refuse the client certificate after the request
    (ssl.SSLError(1, "CERTIFICATE_VERIFY_FAILED"), OPENING, TlsError, "opening"),
    (ssl.SSLError(1, "CERTIFICATE_VERIFY_FAILED"), SENT_OR_REUSED, TlsError, "exchange"),
    (urllib3_errors.SSLError(ssl.SSLError(1, "wrong version number")), OPENING, TlsError, "opening"),
    (urllib3_errors.SSLError(ssl.SSLError(1, "wrong version number")), SENT_OR_REUSED, TlsError, "exchange"),
    (urllib3_errors.SSLError("no cause"), OPENING, TlsError, "opening"),
    (urllib3_errors.SSLError("no cause"), SENT_OR_REUSED, TlsError, "exchange"),
    (urllib3_errors.MaxRetryError(None, "/", urllib3_errors.SSLError("no")), OPENING, TlsError, "opening"),
    (urllib3_errors.MaxRetryError(None, "/", urllib3_errors.SSLError("no")), SENT_OR_REUSED, TlsError, "exchange"),
    (CertificateFileError("ca_certs", "no such file", "a PEM file"), OPENING, TlsError, "opening"),
    # invalid HTTP
    (http.client.BadStatusLine("nonsense"), ALL, InvalidResponse, None),
    (http.client.LineTooLong("header line"), ALL, InvalidResponse, None),
    (protocol_error(http.client.HTTPException("an invalid header line")), ALL, InvalidResponse, None),
    (urllib3_errors.DecodeError("no gzip"), ALL, InvalidResponse, None),
    (urllib3_errors.InvalidHeader("Content-Length"), ALL, InvalidResponse, None),
    # other errors
    (HookError("mine"), ALL, TransportError, None),
    (RuntimeError("socket disabled"), ALL, TransportError, None),
    (ValueError("mine"), ALL, TransportError, None),
    (urllib3_errors.ProtocolError("a double refuses"), OPENING, ConnectionFailed, "opening"),
    (urllib3_errors.HTTPError("POST /secret failed"), SENT, ConnectionFailed, "exchange"),
    (urllib3_errors.ProtocolError("a double refuses"), SENT, ConnectionFailed, "exchange"),
]


@pytest.mark.parametrize(
    ("error", "phase", "kind", "expected"),
    [(error, phase, kind, expected) for error, phases, kind, expected in TABLE for phase in phases],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__),
)
def test_errors_of_a_pooled_connection_are_converted(error, phase, kind, expected):
    found = to_target_error(error, REQUEST, exchange(phase))
    assert (type(found), getattr(found, "phase", None)) == (kind, expected)
    assert isinstance(found.__cause__, Exception)
    # The cause is ``error``, or an error of another type that ``error`` wraps.
    assert found.__cause__ is error or not isinstance(error, type(found.__cause__))
    assert ORIGIN in str(found)
    assert "secret" not in str(found)


POOL_MANAGER_ERRORS = [
    (urllib3_errors.NewConnectionError(None, "refused"), ConnectionFailed, "opening"),
    (
        urllib3_errors.MaxRetryError(None, "/", urllib3_errors.NewConnectionError(None, "no")),
        ConnectionFailed,
        "opening",
    ),
    (REFUSED, ConnectionFailed, "opening"),
    (socket.gaierror(-2, "Name or service not known"), ConnectionFailed, "opening"),
    (urllib3_errors.ProxyError("no", urllib3_errors.NewConnectionError(None, "no")), ConnectionFailed, "opening"),
    (urllib3_errors.ProxyError("no", OSError("Tunnel connection failed: 407")), ConnectionFailed, "refused"),
    (protocol_error(RESET), ConnectionFailed, "exchange"),
    (protocol_error(CLOSED), ConnectionFailed, "exchange"),
    (OSError("mine"), ConnectionFailed, "exchange"),
    (urllib3_errors.ReadTimeoutError(None, "/", "timed out"), DeadlineExceeded, None),
    (urllib3_errors.ConnectTimeoutError(None, "timed out"), DeadlineExceeded, None),
    (urllib3_errors.SSLError("no trust"), TlsError, "exchange"),
    (urllib3_errors.LocationParseError("odd"), ConnectionFailed, "exchange"),
    (HookError("mine"), TransportError, None),
    (KeyError("mine"), TransportError, None),
]


@pytest.mark.parametrize(("error", "kind", "phase"), POOL_MANAGER_ERRORS, ids=lambda value: type(value).__name__)
def test_errors_of_a_pool_manager_are_converted(error, kind, phase):
    """Only the type of the error shows whether something was sent."""
    found = to_target_error(error, REQUEST, exchange("opening"), managed=True)
    assert (type(found), getattr(found, "phase", None)) == (kind, phase)


def test_a_pool_manager_that_cannot_connect_in_time_allows_another_host():
    error = urllib3_errors.ConnectTimeoutError(None, "timed out")
    found = to_target_error(error, REQUEST, exchange("opening, another host"), managed=True)
    assert (type(found), found.phase) == (ConnectionFailed, "opening")


@pytest.mark.parametrize("managed", [False, True])
def test_a_refused_connection_of_urllib3_1_26_is_not_a_timeout(managed, monkeypatch):
    class NewConnectionError(urllib3_errors.ConnectTimeoutError, urllib3_errors.PoolError):
        """Has the bases of the class of this name in urllib3 1.26."""

    monkeypatch.setattr(urllib3_errors, "NewConnectionError", NewConnectionError)
    error = NewConnectionError(None, "Failed to establish a new connection: [Errno 111] Connection refused")
    found = to_target_error(error, REQUEST, exchange("opening"), managed)
    assert (type(found), found.phase) == (ConnectionFailed, "opening")


@pytest.mark.parametrize("error", [REFUSED, RESET, HookError("mine"), ssl.SSLError(1, "no"), CLOSED], ids=repr)
@pytest.mark.parametrize("managed", [False, True])
def test_after_the_deadline_every_error_is_a_timeout(error, managed):
    found = to_target_error(error, REQUEST, exchange("exchange", -1.0), managed)
    assert type(found) is DeadlineExceeded
    assert found.__cause__ is error


def test_an_error_of_the_sdk_is_returned_as_it_is():
    error = InvalidResponse("odd")
    assert to_target_error(error, REQUEST, exchange("exchange")) is error
    assert to_target_error(protocol_error(error), REQUEST, exchange("exchange")) is error
    assert error.__cause__ is None


# Errors of the application, which ``is_foreign`` detects


def raiser(error):
    """Return a function that raises ``error``."""

    def handle(*_):
        raise error

    return handle


class Handlers:
    def __init__(self, error):
        self.error = error

    def method(self, *_):
        self.deeper()

    def deeper(self):
        raise self.error

    def with_argument(self, argument, *_):
        raise self.error

    @staticmethod
    def static(*_):
        raise OSError("static")

    @classmethod
    def of_class(cls, *_):
        raise OSError("class")


class CallableHandler(Handlers):
    def __call__(self, *_):
        raise self.error


class InheritingHandler(CallableHandler):
    pass


def decorate(handler):
    @functools.wraps(handler)
    def wrapper(*arguments):
        return handler(*arguments)

    return wrapper


HANDLERS = {
    "function": raiser,
    "lambda": lambda error: lambda *_: raiser(error)(),
    "decorated function": lambda error: decorate(raiser(error)),
    "method": lambda error: Handlers(error).method,
    "partial": lambda error: functools.partial(raiser(error), 1),
    "partial of a method": lambda error: functools.partial(Handlers(error).with_argument, 1),
    "partial of a partial": lambda error: functools.partial(functools.partial(Handlers(error).method), 1),
    "callable object": CallableHandler,
    "callable object whose class inherits": InheritingHandler,
    "partial of a callable object": lambda error: functools.partial(CallableHandler(error), 1),
    "static method": lambda _: Handlers.static,
    "class method": lambda _: Handlers.of_class,
}


def raised_by(act):
    """Return what ``act`` raises, with its traceback."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - checked by the test
        return error
    return None


@pytest.fixture
def set_sigusr1_handler():
    if not hasattr(signal, "SIGUSR1"):
        pytest.skip("this system has no SIGUSR1")
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, handler)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("error", [OSError("mine"), RuntimeError("mine"), HookError("mine"), socket.timeout("mine")])
@pytest.mark.parametrize("kind", HANDLERS)
def test_an_error_of_a_signal_handler_passes_unchanged(kind, error, set_sigusr1_handler):
    set_sigusr1_handler(HANDLERS[kind](error))
    raised = raised_by(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    assert isinstance(raised, Exception)
    assert is_foreign(raised)
    assert to_target_error(raised, REQUEST, exchange("exchange")) is raised
    assert to_target_error(protocol_error(raised), REQUEST, exchange("exchange")) is raised


def test_an_error_that_the_handler_did_not_raise_is_not_foreign(set_sigusr1_handler):
    error = OSError("mine")
    set_sigusr1_handler(raiser(error))
    raised = raised_by(Handlers(error).deeper)
    assert not is_foreign(raised)
    assert type(to_target_error(raised, REQUEST, exchange("exchange"))) is ConnectionFailed


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "http.client", "target_tools.http.pools", "ssl"])
def test_an_exception_that_another_thread_injects_passes_unchanged(name):
    """Job queues stop a job by raising an exception in its thread, between any two instructions."""
    scope = {"__name__": name}
    exec("def spin(started, stop):\n    started()\n    while not stop.is_set():\n        pass", scope)
    started, stop, seen = threading.Event(), threading.Event(), []

    def work():
        error = raised_by(lambda: scope["spin"](started.set, stop))
        seen.append((error, is_foreign(error)))

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(WAIT)
    try:
        ident = ctypes.c_ulong(thread.ident)
        assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(HookError)) == 1
        thread.join(WAIT)
    finally:
        stop.set()
    ((error, foreign),) = seen
    assert isinstance(error, HookError)
    assert foreign


@pytest.mark.parametrize("error", [HookError("mine"), RuntimeError("mine"), OSError("mine")], ids=repr)
def test_an_error_of_a_double_is_not_foreign(error):
    raised = raised_by(raiser(error))
    assert not is_foreign(raised)


@pytest.mark.parametrize("error", [MemoryError(), RecursionError()], ids=repr)
def test_memory_and_recursion_errors_pass_unchanged(error):
    assert is_foreign(raised_by(raiser(error)))
    assert to_target_error(error, REQUEST, exchange("exchange")) is error


@pytest.mark.parametrize("error", [REFUSED, HookError("mine")], ids=repr)
def test_an_error_that_was_never_raised_is_not_foreign(error):
    assert not is_foreign(error)


# Frames


class ObservedObject:
    """An object whose deallocation can be observed."""


def fail_in_module(name, error, holder):
    """Remove the object from ``holder``, and pass it to a function of the module ``name`` that raises ``error``."""
    scope = {"__name__": name, "fail": raiser(error)}
    exec("def act(held):\n    fail()", scope)
    scope["act"](holder.pop())


@pytest.mark.parametrize(
    ("name", "is_freed"),
    [("urllib3.connectionpool", True), ("urllib3.util", True), ("http.client", True), ("tests.mine", False)],
)
def test_the_frames_of_libraries_are_cleared(name, is_freed):
    observed, error = ObservedObject(), OSError("mine")
    watch = weakref.ref(observed)
    with pytest.raises(OSError, match="mine"):
        fail_in_module(name, error, [observed])
    del observed
    assert watch() is not None
    clear_frames(error)
    assert (watch() is None) is is_freed


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_the_frames_of_causes_and_contexts_are_cleared(link):
    observed, inner, outer = ObservedObject(), OSError("mine"), OSError("outer")
    watch = weakref.ref(observed)
    with pytest.raises(OSError, match="mine"):
        fail_in_module("urllib3.util", inner, [observed])
    del observed
    setattr(outer, link, inner)
    inner.__context__ = outer  # a cycle is followed once
    clear_frames(outer)
    assert watch() is None


def test_a_running_frame_is_not_cleared():
    error = OSError("mine")
    scope = {"__name__": "urllib3.util", "raised_by": raised_by, "fail": raiser(error), "forget": clear_frames}
    exec(
        "def act():\n    local = 5\n    try:\n        fail()\n    except OSError as error:\n        forget(error)\n"
        "    return local",
        scope,
    )
    assert scope["act"]() == 5


def test_an_error_with_cleared_frames_is_freed_without_garbage_collection():
    class ObservedError(OSError):
        pass

    def fail():
        raise ObservedError("mine")

    scope = {"__name__": "urllib3.connectionpool", "fail": fail}
    exec(
        "def act():\n    try:\n        fail()\n    except OSError as error:\n        kept = error\n        raise", scope
    )

    gc.disable()
    try:
        error = raised_by(scope["act"])
        watch = weakref.ref(error)
        clear_frames(error)
        del error
        assert watch() is None
    finally:
        gc.enable()


def test_the_modules_that_run_during_a_request_count_as_libraries():
    for module in (urllib3_errors, failures, http.client, socket, ssl, threading):
        assert module.__name__.partition(".")[0] in foreign_errors._LIBRARIES
