"""Replaced functions and classes of urllib3 and of the standard library are detected."""

import functools
import socket
from unittest import mock

import pytest
import urllib3
from urllib3 import poolmanager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import connection as urllib3_connection

from target_tools.http.pool_managers import Urllib3Replacements
from target_tools.http.pools import are_connects_replaced, connect_functions, own_class
from target_tools.http.tls import TlsContexts
from target_tools.http.transport import urllib3_parts
from target_tools.logger import Log


def wrapper(function):
    """Wrap ``function`` as monitoring tools do. The wrapper has the name and the module of ``function``."""

    @functools.wraps(function)
    def wrapped(*arguments, **options):
        return function(*arguments, **options)

    return wrapped


class Connection(HTTPConnection):
    """A connection class of a vcrpy cassette."""


class TlsConnection(HTTPSConnection):
    """A TLS connection class of a vcrpy cassette."""


OWN_MANAGER = urllib3.PoolManager


class Manager(urllib3.PoolManager):
    """A pool manager class of a test."""


class Pool(HTTPConnectionPool):
    """A pool class of a test."""


REPLACEMENTS = {
    "PoolManager mocked": lambda: mock.patch("urllib3.PoolManager"),
    "PoolManager replaced by a class": lambda: mock.patch("urllib3.PoolManager", Manager),
    "PoolManager mocked in delivery_api_client.rest": lambda: mock.patch(
        "delivery_api_client.rest.urllib3.PoolManager"
    ),
    "urlopen mocked": lambda: mock.patch("urllib3.PoolManager.urlopen"),
    "urlopen mocked by autospec": lambda: mock.patch("urllib3.PoolManager.urlopen", autospec=True),
    "urlopen wrapped": lambda: mock.patch.object(urllib3.PoolManager, "urlopen", wrapper(urllib3.PoolManager.urlopen)),
    "request mocked": lambda: mock.patch.object(urllib3.PoolManager, "request"),
    "request wrapped": lambda: mock.patch.object(urllib3.PoolManager, "request", wrapper(urllib3.PoolManager.request)),
    "connection_from_host mocked": lambda: mock.patch.object(urllib3.PoolManager, "connection_from_host"),
    "ConnectionCls replaced": lambda: mock.patch.object(HTTPConnectionPool, "ConnectionCls", Connection),
    "ConnectionCls over TLS replaced": lambda: mock.patch.object(HTTPSConnectionPool, "ConnectionCls", TlsConnection),
    "a pool class replaced": lambda: mock.patch.dict(poolmanager.pool_classes_by_scheme, http=Pool),
}


@pytest.mark.parametrize("name", REPLACEMENTS)
@pytest.mark.parametrize("first_check", ["before", "inside"])
def test_a_replacement_is_found_while_it_lasts(name, first_check):
    replacements = Urllib3Replacements()
    if first_check == "before":
        assert replacements.found(urllib3_parts()) == ()
    with REPLACEMENTS[name]():
        found = replacements.found(urllib3_parts())
        assert found
        assert replacements.found(urllib3_parts()) == found  # equal, so that the next call uses the same pool manager
    assert replacements.found(urllib3_parts()) == ()
    with REPLACEMENTS[name]():
        assert replacements.found(urllib3_parts())


def test_a_manager_made_of_replacements_is_cleared_when_the_replacement_ends():
    """Pools of urllib3 1.26 do not close their idle connections when they are garbage-collected."""
    replacements = Urllib3Replacements()
    tls = TlsContexts(True, None, None, Log(None), False)
    with mock.patch("urllib3.PoolManager", Manager), mock.patch.object(Manager, "clear") as clear:
        assert isinstance(replacements.manager(urllib3_parts(), None, tls), Manager)
        assert clear.mock_calls == []
        with mock.patch("urllib3.PoolManager", OWN_MANAGER):
            assert replacements.manager(urllib3_parts(), None, tls) is None
        assert clear.mock_calls == [mock.call()]


@pytest.mark.parametrize(
    "target",
    [
        "urllib3.connectionpool.HTTPConnectionPool.urlopen",
        "http.client.HTTPConnection.putrequest",
        "http.client.HTTPConnection.endheaders",
        "urllib3.util.connection.create_connection",
        "socket.getaddrinfo",
    ],
)
def test_replaced_functions_that_our_connections_call_need_no_manager(target):
    with mock.patch(target):
        assert Urllib3Replacements().found(urllib3_parts()) == ()


# How connections are opened


class FakeSocket(socket.socket):
    """A socket class of a test double."""


CONNECT_PATCHES = {
    "socket": lambda: mock.patch("socket.socket", FakeSocket),
    "connect": lambda: mock.patch.object(socket.socket, "connect", lambda *_: None),
    "getaddrinfo": lambda: mock.patch("socket.getaddrinfo", lambda *_: []),
    "create_connection": lambda: mock.patch.object(urllib3_connection, "create_connection"),
}


@pytest.mark.parametrize("name", CONNECT_PATCHES)
def test_connect_functions_differ_while_one_of_them_is_replaced(name):
    before = connect_functions()
    assert connect_functions() == before
    with CONNECT_PATCHES[name]():
        inside = connect_functions()
        assert inside != before
        assert connect_functions() == inside
    assert connect_functions() == before


SOCKETS = {
    "create_connection mocked": (lambda: mock.patch.object(urllib3_connection, "create_connection"), True),
    "create_connection wrapped": (
        lambda: mock.patch.object(
            urllib3_connection, "create_connection", wrapper(urllib3_connection.create_connection)
        ),
        True,
    ),
    "_new_conn mocked": (lambda: mock.patch.object(HTTPConnection, "_new_conn"), True),
    "socket": (CONNECT_PATCHES["socket"], True),
    "getaddrinfo": (CONNECT_PATCHES["getaddrinfo"], False),
}


@pytest.mark.parametrize("name", SOCKETS)
def test_replaced_socket_functions_are_detected(name):
    patch, expected = SOCKETS[name]
    assert not are_connects_replaced()
    with patch():
        assert are_connects_replaced() is expected
    assert not are_connects_replaced()


@pytest.mark.parametrize("name", ["gevent._socket3", "gevent.socket", "eventlet.greenio.base"])
def test_sockets_of_green_threads_do_not_count_as_replaced(name):
    with mock.patch("socket.socket", type("socket", (socket.socket,), {"__module__": name})):
        assert not are_connects_replaced()


@pytest.mark.parametrize(
    ("connection_class", "urllib3_class"),
    [
        (HTTPConnection, HTTPConnection),
        (HTTPSConnection, HTTPSConnection),
        (Connection, HTTPConnection),
        (TlsConnection, HTTPSConnection),
        (type("Deeper", (Connection,), {}), HTTPConnection),
    ],
)
def test_own_class_returns_the_class_of_urllib3(connection_class, urllib3_class):
    assert own_class(connection_class) is urllib3_class


def test_a_class_without_a_base_in_urllib3_is_returned_as_it_is():
    assert own_class(FakeSocket) is FakeSocket
