"""Fakes for tests of code that uses this SDK.

``SocketServer`` misbehaves as a test tells it to, ``FAULTS`` is a table of misbehaviours
ready-made.  A server that behaves is ``target_python_sdk.local_edge.LocalEdge``.
"""

from target_python_sdk.testing.connection import Connection
from target_python_sdk.testing.faults import FAULTS, Fault
from target_python_sdk.testing.handlers import answer, replies, sequence
from target_python_sdk.testing.http_bytes import chunked, response
from target_python_sdk.testing.misbehaving import SocketServer

__all__ = ["FAULTS", "Connection", "Fault", "SocketServer", "answer", "chunked", "replies", "response", "sequence"]
