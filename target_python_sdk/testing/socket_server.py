"""A server that sends exactly the bytes that a test chooses.

::

    def truncated_answer(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\n{")
        connection.reset()

    with SocketServer(truncated_answer) as server:
        client = TargetClient.create({..., "server_domain": server.domain, "secure": False})
        with pytest.raises(ConnectionFailed):
            client.get_offers({"request": request})
    assert server.connections == 1

The handler is called once for each connection, in a separate thread. The first exception
of a handler, such as a failed ``assert``, is raised again at the end of the ``with`` block,
unless the block itself raises. A lost connection is not an error. ``answer``, ``replies``
and ``sequence`` return handlers for common cases.
"""

import contextlib
import socket
import ssl
import threading
from typing import Callable, List, Optional, Set, Union

from target_python_sdk.testing.connection import Connection
from target_python_sdk.testing.handlers import Handler


class SocketServer:
    """Listens on a free port of 127.0.0.1 and calls ``handler`` with each connection.

    If ``tls``, an ``ssl.SSLContext`` with a certificate, is given, connections are encrypted.
    ``failed_handshakes`` counts the handshakes that failed.
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
        #: The number of TCP connections accepted so far.
        self.connections = 0
        self.failed_handshakes = 0
        #: The requests that handlers have read, from the request line to the end of the body.
        self.requests: List[bytes] = []
        #: The exceptions that handlers raised, except those for lost connections.
        self.failures: List[BaseException] = []

    @property
    def domain(self) -> str:
        """``127.0.0.1:port``, for the option ``server_domain``."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> "SocketServer":
        """Listen, and accept connections in a background thread."""
        listener = self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = listener.getsockname()[1]
        self._start_thread("acceptor", self._accept, listener)
        return self

    def stop(self) -> None:
        """Close the port and all connections, which interrupts their handlers."""
        self._stopped.set()
        if self._listener is not None:
            # On Linux, only shutdown() interrupts accept(). On other systems, it may fail, but close() is enough.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self._lock:
            connections, threads = list(self._open), list(self._threads)
        for connection in connections:
            connection.shut_down()
        for thread in threads:
            thread.join(2)

    def __enter__(self) -> "SocketServer":
        return self.start()

    def __exit__(self, kind: object, error: Optional[BaseException], trace: object) -> None:
        self.stop()
        if self.failures and error is None:
            raise self.failures[0]

    def _start_thread(self, name: str, target: Callable[..., None], *args: Union[socket.socket, Connection]) -> None:
        name = f"target-socket-server-{self.port}-{name}"
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:  # closed by stop()
                return
            with self._lock:
                if self._stopped.is_set():
                    accepted.close()
                    return
                self.connections += 1
                connection = Connection(accepted, self.connections, self._stopped, self.requests.append)
                self._open.add(connection)
                self._start_thread(f"connection-{connection.number}", self._serve, connection)

    def _serve(self, connection: Connection) -> None:
        try:
            if self._tls is not None:
                try:
                    connection.encrypt(self._tls)
                except OSError:
                    self.failed_handshakes += 1
                    return
            self._handler(connection)
        except (ConnectionError, ssl.SSLError):
            pass  # the client has disconnected, or the server was stopped
        except BaseException as error:  # noqa: BLE001 - raised again by __exit__
            if not (isinstance(error, OSError) and connection.is_closed):
                self.failures.append(error)
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)
