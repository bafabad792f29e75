"""Mocks that answer requests instead of the server at ``domain``: libraries, and patches of urllib3."""

import contextlib
import io
import socket
import threading
from typing import Any, Iterator
from unittest import mock

import urllib3

from tests.doubles.payload import FROM_DOUBLE, JSON_HEADERS, PATH, answer

BODY = answer(FROM_DOUBLE)


def url_at(domain: str) -> str:
    """Return the URL that calls are sent to, without its query."""
    return f"http://{domain}{PATH}"


@contextlib.contextmanager
def pook(domain: str) -> Iterator[None]:
    import pook as library  # noqa: PLC0415

    with library.use():
        library.post(url_at(domain)).persist().reply(200).headers(JSON_HEADERS).body(BODY.decode())
        yield


@contextlib.contextmanager
def urllib3_mock(_: str) -> Iterator[None]:
    from urllib3_mock import Responses  # noqa: PLC0415

    responses = Responses("urllib3")
    with responses:
        responses.add("POST", PATH, body=BODY.decode(), content_type="application/json")
        yield


@contextlib.contextmanager
def httpretty(domain: str) -> Iterator[None]:
    import httpretty as library  # noqa: PLC0415

    # httpretty 1.1.4 without real sockets raises inside urllib3 2.3 and newer, which read ``sock.shutdown``.
    with library.enabled(allow_net_connect=True):
        library.register_uri(library.POST, url_at(domain), body=BODY, adding_headers=JSON_HEADERS)
        yield


@contextlib.contextmanager
def mocket(domain: str) -> Iterator[None]:
    from mocket import Mocketizer  # noqa: PLC0415
    from mocket.mocks.mockhttp import Entry  # noqa: PLC0415

    with Mocketizer(strict_mode=True):
        Entry.single_register(
            Entry.POST, url_at(domain), body=BODY.decode(), headers=dict(JSON_HEADERS), match_querystring=False
        )
        yield


def _streamed_response(*_: Any, **__: Any) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(body=io.BytesIO(BODY), status=200, headers=dict(JSON_HEADERS), preload_content=False)


def _preloaded_response(*_: Any, **__: Any) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(body=BODY, status=200, headers=dict(JSON_HEADERS))


@contextlib.contextmanager
def patched_manager_urlopen(_: str) -> Iterator[None]:
    with mock.patch("urllib3.PoolManager.urlopen", side_effect=_streamed_response):
        yield


@contextlib.contextmanager
def patched_manager(_: str) -> Iterator[None]:
    with mock.patch("urllib3.PoolManager") as manager:
        manager.return_value.request.side_effect = _preloaded_response
        yield


@contextlib.contextmanager
def patched_manager_of_rest(_: str) -> Iterator[None]:
    # Imported here because calls with plain urllib3, the control, do not import it. The module's ``urllib3`` is the
    # package itself, so the patch affects the control, too.
    import delivery_api_client.rest  # noqa: F401, PLC0415

    with mock.patch("delivery_api_client.rest.urllib3.PoolManager") as manager:
        manager.return_value.request.return_value = mock.Mock(status=200, reason="OK", data=BODY, headers={})
        yield


@contextlib.contextmanager
def patched_pool_urlopen(_: str) -> Iterator[None]:
    with mock.patch("urllib3.HTTPConnectionPool.urlopen", side_effect=_preloaded_response):
        yield


@contextlib.contextmanager
def patched_create_connection(_: str) -> Iterator[None]:
    """Connect to a thread of this process that answers one request and closes the connection."""

    def serve(connection: socket.socket) -> None:
        received = b""
        while not received.rstrip().endswith(b"}"):
            received += connection.recv(65536)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        connection.sendall(head.encode() + BODY)
        connection.close()

    def connect(*_: Any, **__: Any) -> socket.socket:
        client_end, server_end = socket.socketpair()
        threading.Thread(target=serve, args=(server_end,), daemon=True).start()
        return client_end

    with mock.patch("urllib3.util.connection.create_connection", side_effect=connect):
        yield
