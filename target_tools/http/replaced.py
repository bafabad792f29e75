"""Notice that a test or a monitor has replaced functions or classes of urllib3.

Most replacements are seen anyway, since our pools and connections derive from urllib3's.  A few are
not: whatever stands in the place of ``PoolManager``, which our own transport does not use, and of the
classes that pools connect with.
"""

import os
import socket
import types
from typing import Any, Tuple

import urllib3
from urllib3 import poolmanager
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import connection as urllib3_connection

_URLLIB3 = os.path.dirname(urllib3.__file__) + os.sep
#: Libraries whose sockets are real ones.
_SOCKET_MODULES = ("socket", "gevent", "eventlet")


class Urllib3Replacements:
    """Watches the places that requests would pass in 1.1.0, and do not in our own transport."""

    def __init__(self) -> None:
        #: What was last found to be urllib3's own: not what stood there at the import, which a patch may surround.
        self._own: Tuple[Any, ...] = ()

    def found(self) -> Tuple[Any, ...]:
        """Return what stands in the places that are watched; empty if all of it is urllib3's own."""
        manager = urllib3.PoolManager
        found: Tuple[Any, ...] = (
            HTTPConnectionPool.ConnectionCls,
            HTTPSConnectionPool.ConnectionCls,
            *poolmanager.pool_classes_by_scheme.values(),
            manager,
            getattr(manager, "urlopen", None),
            getattr(manager, "request", None),
            getattr(manager, "connection_from_host", None),
        )
        if found == self._own:
            return ()
        classes, functions = found[:-3], found[-3:]
        if all(_is_own_class(one) for one in classes) and all(_is_own_function(one) for one in functions):
            self._own = found
            return ()
        return found


def connect_functions() -> Tuple[Any, ...]:
    """Return what connections are opened with, to notice a replacement by comparison."""
    return socket.socket, socket.socket.connect, socket.getaddrinfo, urllib3_connection.create_connection


def are_connects_replaced() -> bool:
    """Return whether sockets are made by something else than urllib3 and the standard library."""
    return not (
        _is_own_function(urllib3_connection.create_connection)
        and _is_own_function(own_class(HTTPConnection)._new_conn)  # private: only looked at
        and socket.socket.__module__.partition(".")[0] in _SOCKET_MODULES
    )


def own_class(kind: Any) -> Any:
    """Return urllib3's class itself: an import inside a cassette of vcrpy finds one derived from it."""
    return next((one for one in kind.__mro__ if one.__module__ == "urllib3.connection"), kind)


def _is_own_class(kind: Any) -> bool:
    return isinstance(kind, type) and kind.__module__.startswith("urllib3.")


def _is_own_function(function: Any) -> bool:
    """Whether urllib3 defines ``function``: a wrapper has the name of what it wraps, but not its code."""
    return type(function) is types.FunctionType and function.__code__.co_filename.startswith(_URLLIB3)
