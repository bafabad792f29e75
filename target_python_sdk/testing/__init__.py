"""Test helpers for code that uses this SDK.

``SocketServer`` sends exactly the bytes that a test chooses, for tests of failures. For a
server that answers like the real edge, use ``target_python_sdk.local_edge.LocalEdge``.
"""

from target_python_sdk.testing.connection import Connection
from target_python_sdk.testing.handlers import answer, replies, sequence
from target_python_sdk.testing.http_bytes import chunked, response
from target_python_sdk.testing.socket_server import SocketServer

__all__ = ["Connection", "SocketServer", "answer", "chunked", "replies", "response", "sequence"]
