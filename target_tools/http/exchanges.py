"""The state of one request and its reply, shared by the transport and the connection that carries them."""

import contextvars
import socket
from contextvars import ContextVar
from typing import Any, Callable, ContextManager, Optional, Protocol

from target_tools.clock import Deadline
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.threads import in_main_thread
from target_tools.errors import DeadlineExceeded
from target_tools.http.dns import Resolver
from target_tools.http.replies import ReplyProgress, StrictResponse
from target_tools.http.tls import TlsContexts


class ExchangeConnection(Protocol):
    """A connection that carries an exchange."""

    sock: Any
    exchange: "Optional[Exchange]"
    keep_alive: Optional[float]
    is_tls: bool
    opens_in_helper_thread: bool

    def close(self) -> None:
        """Close the connection, unless a helper thread is opening it."""

    def end_exchange(self) -> None:
        """Detach the connection from its exchange."""


class ConnectionOpener:
    """The resources for opening connections, shared by the pools of one client in one process."""

    def __init__(self, tls: TlsContexts, blocking: Callable[[], ContextManager[object]]) -> None:
        self.tls = tls
        self.resolver = Resolver(blocking)
        #: Entered by a thread that begins a long wait for a look-up or a connection.
        self.blocking = blocking
        self._helper_threads = HelperThreads()

    def run(self, act: Callable[[], None], connection: ExchangeConnection, deadline: Deadline) -> None:
        """Call ``act``, which opens ``connection``: in this thread, or in a helper thread that can be left behind.

        The main thread always uses a helper thread.  Name look-ups, TLS and urllib3 take locks, which an exception
        raised by a signal handler could leave locked.
        """
        if connection.opens_in_helper_thread or in_main_thread():
            run = contextvars.copy_context().run
            try:
                # Wait until the thread has exited: uWSGI without threads lets none exit between requests.
                with self.blocking():
                    self._helper_threads.call(lambda: run(act), deadline, connection.close, wait_for_thread_exit=True)
            except DeadlineExceeded:  # perhaps of the opening only: another host can be tried
                raise socket.timeout("the connection attempt timed out") from None
        else:
            act()

    def abandoned(self) -> int:
        """Return the number of running look-ups and connection attempts that no call waits for."""
        return self.resolver.abandoned() + self._helper_threads.abandoned()


class Exchange(ReplyProgress):
    """One request and its reply."""

    def __init__(self, deadline: Deadline, opener: ConnectionOpener, opening: Optional[Deadline] = None) -> None:
        super().__init__(deadline)
        #: The deadline for opening the connection.
        self.opening = deadline if opening is None else opening
        self.opener = opener
        self.connection: Optional[ExchangeConnection] = None
        self.reply: Optional[StrictResponse] = None
        #: Whether the connection has carried a reply before.
        self.reused = False
        #: Whether the server closed the connection before it had read the whole request.
        self.broken = False
        # Durations are in milliseconds, times are on the monotonic clock, sizes are in bytes.
        self.dns: Optional[float] = None
        self.connect: Optional[float] = None
        self.tls: Optional[float] = None
        self.sent_at = 0.0
        self.sent = 0
        self.is_over = False

    def reads_until(self) -> Deadline:
        """Return the deadline for the next read.  A read before the request is sent is a proxy's reply to CONNECT."""
        return self.deadline if self.sent_at else self.opening


#: The exchange of the running code.  urllib3 creates or reuses a connection without passing it on.
EXCHANGE: "ContextVar[Optional[Exchange]]" = ContextVar("target_exchange", default=None)
