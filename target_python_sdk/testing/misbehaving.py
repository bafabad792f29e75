"""A server whose every byte a test decides: the test *is* the server, in a few lines.

::

    def half_an_answer(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\n{")
        connection.reset()

    with SocketServer(half_an_answer) as server:
        client = TargetClient.create({..., "server_domain": server.domain, "secure": False})
        with pytest.raises(ConnectionFailed):
            client.get_offers({"request": request})
    assert server.connections == 1

A handler is called once for each connection, in a thread of its own.  What it raises,
a failed ``assert`` for one, is raised again where the ``with`` block ends; that its
client went away is not a failure.  Ready-made handlers are ``answer``, ``replies`` and
``sequence`` of ``handlers``; ``faults`` has a table of answers that no client should fall for.
"""

import socket
import ssl
import threading
from types import TracebackType
from typing import Callable, List, Optional, Set, Type

from target_python_sdk.testing.connection import Connection
from target_python_sdk.testing.handlers import Handler


class SocketServer:
    """Listens on a free port of 127.0.0.1 and gives each connection to ``handler``.

    With ``tls``, an ``ssl.SSLContext`` that holds a certificate, connections are
    encrypted; handshakes that a client broke off are counted in ``failed_handshakes``.
    """

    def __init__(self, handler: Handler, tls: Optional[ssl.SSLContext] = None) -> None:
        self._handler = handler
        self._tls = tls
        self._listener: Optional[socket.socket] = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._open: Set[Connection] = set()
        self._threads: List[threading.Thread] = []
        self.port = 0
        #: How many TCP connections were accepted.
        self.connections = 0
        self.failed_handshakes = 0
        #: What handlers read with ``read_request``, each from the request line to the end of the body.
        self.requests: List[bytes] = []
        #: What handlers raised.
        self.failures: List[BaseException] = []

    @property
    def domain(self) -> str:
        """``127.0.0.1:port``, as the option ``server_domain`` takes it."""
        return "127.0.0.1:{}".format(self.port)

    def start(self) -> "SocketServer":
        """Listen, and accept in a thread of its own."""
        listener = self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = listener.getsockname()[1]
        self._start_thread("acceptor", self._accept, listener)
        return self

    def stop(self) -> None:
        """Close the port and every connection, whatever its handler is doing."""
        self._stopped.set()
        if self._listener is not None:
            _wake(self._listener)
            self._listener.close()
        with self._lock:
            connections, threads = list(self._open), list(self._threads)
        for connection in connections:
            connection.abandon()
        for thread in threads:
            thread.join(2)

    def __enter__(self) -> "SocketServer":
        return self.start()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.stop()
        if self.failures and error is None:
            raise self.failures[0]

    def _start_thread(self, name: str, act: Callable[..., None], *given: object) -> None:
        name = "misbehaving-server-{}-{}".format(self.port, name)
        thread = threading.Thread(target=act, args=given, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:  # closed by stop
                return
            with self._lock:
                if self._stopped.is_set():
                    accepted.close()
                    return
                self.connections += 1
                connection = Connection(accepted, self.connections, self._stopped, self.requests.append)
                self._open.add(connection)
                self._start_thread("connection-{}".format(connection.number), self._serve, connection)

    def _serve(self, connection: Connection) -> None:
        try:
            if self._tls is None or self._encrypted(connection, self._tls):
                self._handler(connection)
        except (ConnectionError, ssl.SSLError):
            pass  # the client went away, as it may, or the server is stopped
        except BaseException as error:  # noqa: BLE001 - whatever a test raises in its server, it must see
            if not (isinstance(error, OSError) and connection.is_closed):
                self.failures.append(error)
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)

    def _encrypted(self, connection: Connection, tls: ssl.SSLContext) -> bool:
        try:
            connection.encrypt(tls)
        except OSError:
            self.failed_handshakes += 1
            return False
        return True


def _wake(listener: socket.socket) -> None:
    # Closing a socket does not end an accept() that waits on it, on Linux; this does. Elsewhere it is
    # an error, and there closing is enough.
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
