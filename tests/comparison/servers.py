"""The servers of a run. They record the requests of each scenario."""

import contextlib
import json
import ssl
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import trustme

from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, response
from tests.support import ANSWER as USUAL_ANSWER
from tests.support import body_of, head_of

#: An answer whose ``requestId`` is not that of the request. 1.1.0 ignores it; this SDK checks it on reused connections.
ANSWER = {**USUAL_ANSWER, "requestId": "0a1b"}

GIVEN = Path(__file__).parent / "given"
#: The path of the request that announces the next scenario.
MARK = "/scenario/"


class Request(NamedTuple):
    """A request that a server has read."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class Server(NamedTuple):
    """A server on this machine, and a function that returns its requests so far."""

    domain: str
    requests: Callable[[], List[Request]]
    #: The domain of a second server, with TLS and the certificate of an unknown authority.
    encrypted: str = ""


def by_scenario(requests: List[Request]) -> Dict[str, List[Dict[str, Any]]]:
    """Return the requests of each scenario, in their order."""
    found: Dict[str, List[Dict[str, Any]]] = {}
    current: List[Dict[str, Any]] = []
    for each in requests:
        if each.path.startswith(MARK):
            current = found.setdefault(unquote(each.path[len(MARK) :]), [])
        else:
            current.append({**each._asdict(), "query": dict(each.query), "headers": dict(each.headers)})
    return found


#: An artifact that contains the tokens of these tests' notifications, so that the edge accepts them.
ARTIFACT_WITH_TOKENS = {
    "version": "1.0.0",
    "rules": {
        "mboxes": {
            "home": [
                {
                    "activityId": 1,
                    "condition": True,
                    "consequence": {
                        "options": [{"eventToken": "t-1"}, {"eventToken": "t-2"}],
                        "metrics": [{"type": "click", "eventToken": "t"}],
                    },
                }
            ]
        }
    },
}


@contextlib.contextmanager
def edge() -> Iterator[Server]:
    """Start the local edge with ``activities.json``. It also accepts the tokens of the artifacts loaded before."""
    with LocalEdge(ARTIFACT_WITH_TOKENS) as local:
        for name in ("artifact.json", "activities.json"):
            local.load(GIVEN / name)
        yield Server(local.domain, lambda: [Request(*each[:5]) for each in local.requests])


@contextlib.contextmanager
def edge_and_encrypted() -> Iterator[Server]:
    """Start the local edge, and a server with TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with edge() as local, SocketServer(_answer_each, tls) as encrypted:
        yield local._replace(encrypted=encrypted.domain)


@contextlib.contextmanager
def odd_answers() -> Iterator[Server]:
    """Start a server. The name of the first requested mbox selects an answer from ``ODD``."""
    with SocketServer(_answer_each) as server:
        yield Server(server.domain, lambda: [_read(raw) for raw in server.requests])


@contextlib.contextmanager
def no_server() -> Iterator[Server]:
    """Yield an address without a server."""
    yield Server("127.0.0.1:9", lambda: [])


def _read(raw: bytes) -> Request:
    head = head_of(raw)
    method, target, _ = head.pop("").split(" ")
    address = urlsplit(target)
    body = body_of(raw) if raw.partition(b"\r\n\r\n")[2] else None
    return Request(method, address.path, dict(parse_qsl(address.query, keep_blank_values=True)), head, body)


def _answer_each(connection: Any) -> None:
    while True:
        raw = connection.read_request()
        if not raw:
            return
        request = _read(raw)
        if request.path.startswith(MARK):
            connection.send(response(status=204))
            continue
        name = request.body["execute"]["mboxes"][0]["name"]
        if name == "slow":
            connection.wait(0.8)
        connection.send(ODD.get(name) or response(ANSWER))
        if name == "half a body":
            connection.close()
            return


def _refusal(status: int, **more: Any) -> bytes:
    return response({"status": status, "message": "sent by the edge"}, status, **more)


def _with(**changes: Any) -> bytes:
    return response({**ANSWER, **changes})


def _without(name: str) -> bytes:
    return response({key: value for key, value in ANSWER.items() if key != name})


def _option(**fields: Any) -> bytes:
    return _with(execute={"mboxes": [{"index": 0, "name": "home", "options": [fields]}]})


_PLACE = {
    "options": [{"type": "html", "content": "x", "eventToken": "t", "responseTokens": {"a": 1, "b": None}}],
    "metrics": [{"type": "click", "selector": "#a", "eventToken": "m", "analytics": {"payload": {"pe": "tnt"}}}],
    "analytics": {"payload": {"pe": "tnt", "tnta": "1:2"}},
    "trace": {"clientCode": "acmeclient", "nested": {"a": [1]}},
    "state": "state",
}
_MBOX = {"index": 0, "name": "home", **_PLACE}

#: Answers by the name of the mbox.
ODD: Dict[str, bytes] = {
    **{str(status): _refusal(status) for status in (400, 401, 403, 404, 429, 500, 502, 503)},
    "400 without a body": response(None, 400),
    "403 as text": response("Forbidden, and no JSON", 403, {"Content-Type": "text/plain"}),
    "500 as HTML": response("<html>über</html>", 500, {"Content-Type": "text/html;charset=UTF-8"}),
    "503 of 300 letters": response("x" * 300, 503, {"Content-Type": "text/plain"}),
    "204": response(None, 204),
    "206": response({**ANSWER, "status": 206}, 206),
    "201": response(ANSWER, 201),
    "301": response(None, 301, {"Location": "http://127.0.0.1:9/elsewhere"}),
    "not JSON": response("not { JSON"),
    "empty": response(b""),
    "a list": response("[]"),
    "a text": response('"text"'),
    "null": response("null"),
    "a number": response("5"),
    "half a body": response(ANSWER, headers={"Content-Length": "9999"}),
    "an empty object": response({}),
    "unknown fields": _with(newField={"a": 1}, id={"tntId": "visitor.35_0", "newId": "x"}),
    "wrong types": _with(status="two hundred", client=5, requestId=None),
    "options is an object": _with(execute={"mboxes": [{"index": 0, "name": "home", "options": {"type": "html"}}]}),
    "a long tntId": _with(id={"tntId": "v" * 130}),
    "an id that is a text": _with(id="visitor.35_0"),
    "a number as content": _option(type="json", content=5),
    "a list as content": _option(type="json", content=[1, {"a": None}]),
    "null as content": _option(type="html", content=None),
    "nulls everywhere": _with(id=None, execute=None, prefetch=None, notifications=None, edgeHost=None),
    "no id": _without("id"),
    "no edge host": _without("edgeHost"),
    "an edge host of another form": _with(edgeHost="edge.example.com"),
    "tokens": _with(execute={"mboxes": [_MBOX, {"index": 1, "name": "b", "options": [{"responseTokens": {"c": 2}}]}]}),
    "traces": _with(execute={"mboxes": [_MBOX], "pageLoad": _PLACE}, prefetch={"mboxes": [_MBOX], "pageLoad": _PLACE}),
    "analytics": _with(execute={"mboxes": [_MBOX, {**_MBOX, "analytics": {"payload": {"pe": "other"}}}]}),
    "views": _with(prefetch={"views": [{"name": "v", "key": "k", **_PLACE}], "metrics": _PLACE["metrics"]}),
    "page loads": _with(execute={"pageLoad": _PLACE}, prefetch={"pageLoad": _PLACE}),
    "notifications": _with(notifications=[{"id": "n-1", "trace": {"a": 1}}, {"id": "n-2"}]),
    "a status in the body": _with(status=404),
    "Latin-1": response(json.dumps({**ANSWER, "client": "\u00fc"}, ensure_ascii=False).encode("latin-1")),
    "a byte order mark": response(b"\xef\xbb\xbf" + json.dumps(ANSWER).encode()),
    "NaN": response('{"status": NaN, "client": "c"}'),
    "a duplicate key": response('{"status": 200, "status": 206, "client": "c"}'),
}
