"""Targets for what servers send: answers of the edge, and rule artifacts. Only errors of the SDK may be raised."""

import io
import json
import socket
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator

from target_python_sdk.artifact.format import deobfuscate, obfuscate
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.engine import DecisionRequest, EngineContext, decide, remote_parts
from target_python_sdk.errors import InvalidArtifact, InvalidResponse, InvalidRule
from target_python_sdk.explain.calls import explain_with_artifact
from target_python_sdk.inspection.check import check_document
from target_python_sdk.types import DeliveryRequest
from target_tools.clock import Deadline
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Timings, parse_json
from target_tools.http.pools import PooledConnection, connect_functions
from target_tools.http.transport import Transport, TransportSettings
from target_tools.rules import compiler
from target_tools.rules.javascript import to_boolean
from target_tools.rules.operators import ClosureCache
from target_tools.uuids import UuidGenerator
from tests.fuzzing.calls import LOG, ORGANIZATION, check_call

_ORIGIN = Origin("http", "acmeclient.tt.omtrdc.net", 80)

#: The reply to the second request on a connection.
_SECOND_BODY = b'{"status":200,"client":"acmeclient"}'
_SECOND_REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_SECOND_BODY), _SECOND_BODY)


class _ServerSocket:
    """A connected socket whose server replies at once: with ``reply`` first, with ``_SECOND_REPLY`` afterwards."""

    def __init__(self, reply: bytes) -> None:
        self._near, self._far = socket.socketpair()
        self._replies = [reply, _SECOND_REPLY]

    def sendall(self, data: bytes) -> None:
        """Take a request, and send the next reply."""
        self._far.sendall(self._replies.pop(0))

    def makefile(self, mode: str, buffering: int = 0) -> "_ReceivedBytes":
        return _ReceivedBytes(self._near)

    def close(self) -> None:
        self._near.close()
        self._far.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._near, name)


class _ReceivedBytes(io.RawIOBase):
    """Reads from a socket until no byte is left. Waiting for more bytes would only delay the check."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(0)
        try:
            return self._sock.recv_into(buffer)
        except BlockingIOError:
            return 0


@contextmanager
def _transport_to(reply: bytes) -> Iterator[Transport]:
    """Yield a transport whose first connection to ``_ORIGIN`` leads to a server that sends ``reply`` first."""
    replies = [reply]

    class Connection(PooledConnection):
        def connect(self) -> None:
            assert self.exchange is not None
            self.exchange.reused = False
            self.sock = _ServerSocket(replies.pop() if replies else _SECOND_REPLY)
            self.opened_with = connect_functions()

    transport = Transport(TransportSettings())
    transport._pools.get((_ORIGIN, None)).ConnectionCls = Connection
    try:
        yield transport
    finally:
        transport.close()


def check_reply(data: bytes) -> None:
    """Check the bytes of a reply. The next visitor's call must not get any of them, even on the same connection."""
    with _transport_to(data[:65536]) as transport:

        def send(request: HttpRequest, deadline: Deadline) -> HttpReply:
            return transport.send(request._replace(origin=_ORIGIN, alternative=None), deadline)

        check_call(send)
        second = HttpRequest("POST", _ORIGIN, "/", (), b"{}", 1000)
        assert transport.send(second, Deadline.after(60)).body == _SECOND_BODY


def check_response(data: bytes) -> None:
    """Check the JSON of a delivery response."""
    reply = HttpReply(200, "OK", {}, data, Timings())
    check_call(lambda request, deadline: reply)


# Rule artifacts

_VISITORS = ("visitor-1", "visitor-2")
_PARAMETERS = {"foo": "bar", "age": "7", "a.b": "c"}
_MBOXES = [{"index": index, "name": name, "parameters": _PARAMETERS} for index, name in enumerate(("home", "good"))]
_CONTEXT = {
    "channel": "web",
    "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0",
    "address": {"url": "https://www.hooli.com/shop/?a=b#c", "referringUrl": "https://search.example/"},
    "geo": {"city": "san francisco", "countryCode": "us", "latitude": 37.7, "longitude": -122.4},
}
_ENGINE = EngineContext("acmeclient", LOG, frozenset({"all"}))


def _request(visitor: str, traced: bool) -> DeliveryRequest:
    more: Dict[str, Any] = {"trace": {"authorizationToken": "t"}} if traced else {}
    mboxes, views = {"mboxes": _MBOXES, "pageLoad": {}}, [{"name": "start"}, {}]
    document = {"requestId": "r", "id": {"tntId": visitor}, "context": _CONTEXT, "property": {"token": "p"}, **more}
    return DeliveryRequest.from_dict({**document, "execute": mboxes, "prefetch": {**mboxes, "views": views}})


def _decided(artifact: Artifact, visitor: str, traced: bool = False) -> Any:
    """Return the response for a visitor, as JSON values."""
    request = _request(visitor, traced)
    remote = remote_parts(artifact, request)
    geo = None if request.context is None else request.context.geo
    decision_request = DecisionRequest(request, "s", visitor, UuidGenerator(), geo, remote, Deadline.after(60))
    response = decide(artifact, decision_request, _ENGINE).response
    assert response.status == (206 if remote else 200), response.status
    document = response.to_dict(by_alias=True, exclude_none=True)
    json.dumps(document)
    return document


def check_artifact(data: bytes) -> None:
    """Check a rule artifact: it is refused, or it decides for any visitor and its decisions can be explained.

    The inspection of any document must raise no error.
    """
    assert deobfuscate(obfuscate(data, ORGANIZATION), ORGANIZATION) == data
    try:
        artifact = Artifact.load(data, "acmeclient")
    except InvalidArtifact as error:
        assert str(error).isprintable(), error
        _check_inspection(data)
        return
    document = artifact.document()
    again = Artifact.compile(document, "acmeclient")
    for visitor in _VISITORS:
        assert _decided(artifact, visitor) == _decided(again, visitor)
    _decided(artifact, _VISITORS[0], traced=True)
    _check_inspection(data)
    explanation = explain_with_artifact(artifact, "acmeclient", {"request": _request(_VISITORS[0], False)})
    assert str(explanation)


def _check_inspection(data: bytes) -> None:
    """Check that the inspection of a document raises no error, whether the document is usable or not."""
    try:
        document = parse_json(data)
    except InvalidResponse:
        return
    assert all(map(str, check_document(document)))


# JSON-logic


class _WithoutFastPaths(compiler._RuleCompiler):
    """Compiles each operation in the general way, without fast paths."""

    def _compile_operation(self, rule: Any, depth: int) -> Any:
        paths, compiler.FAST_PATHS = compiler.FAST_PATHS, {}  # type: ignore[attr-defined]
        try:
            return super()._compile_operation(rule, depth)
        finally:
            compiler.FAST_PATHS = paths  # type: ignore[attr-defined]

    def _compile_range(self, *_: Any) -> None:
        return None


def check_rule(data: bytes) -> None:
    """Check a JSON-logic rule and its data, ``[rule, data]``. All ways to compile it must give the same result."""
    try:
        document = parse_json(data)
    except InvalidResponse:
        return
    if not isinstance(document, list) or len(document) != 2:
        return
    rule, values = document
    result = _result(lambda: compiler.compile_rule(rule), values)
    assert result == _result(lambda: compiler.compile_rule(rule, ClosureCache()), values)
    general = _result(lambda: _WithoutFastPaths(ClosureCache()).compile_rule(rule), values)
    # The two compiled rules count steps differently, so one may exceed a limit that the other does not reach.
    assert result == general or "InvalidRule" in (result[:11], general[:11]), (result, general)
    try:
        evaluate, condition = compiler.compile_rule(rule), compiler.compile_condition(rule)
        assert condition(values) is to_boolean(evaluate(values))
    except InvalidRule:
        pass


def _result(compile_rule: Callable[[], Callable[[Any], Any]], values: Any) -> str:
    """Return the result of a rule, or its error, as text. The text distinguishes 1 from True, and 0 from -0."""
    try:
        return repr(compile_rule()(values))
    except InvalidRule as error:
        assert str(error).isprintable(), error
        return f"InvalidRule: {error}"
