"""Test helpers for code that uses this SDK.

``FakeTargetClient`` is a client without a network, for tests of applications::

    from target_python_sdk.testing import FakeTargetClient

    with FakeTargetClient.create() as target:
        target.show("hero", html="<b>B</b>")
        ...                                     # pass target to the application
        assert target.displayed == ["hero"]

``make_artifact`` and ``make_answer`` build rule artifacts and answers. For a server that answers like the real edge,
use ``target_python_sdk.local_edge.LocalEdge``. ``SocketServer`` sends exactly the bytes that a test chooses, for tests
of failures.
"""

from target_python_sdk.testing.connection import Connection
from target_python_sdk.testing.fake_client import FakeTargetClient
from target_python_sdk.testing.handlers import answer, replies, sequence
from target_python_sdk.testing.http_bytes import chunked, response
from target_python_sdk.testing.offers import make_answer, make_artifact
from target_python_sdk.testing.socket_server import SocketServer

__all__ = [
    "Connection",
    "FakeTargetClient",
    "SocketServer",
    "answer",
    "chunked",
    "make_answer",
    "make_artifact",
    "replies",
    "response",
    "sequence",
]
