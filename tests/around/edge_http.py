"""HTTP requests to a local edge, each on a separate connection."""

import http.client
import json
from typing import Any, Dict, Mapping, NamedTuple, Optional

from target_python_sdk.local_edge import LocalEdge


class Answer(NamedTuple):
    """An HTTP answer. Names of headers are in lower case."""

    status: int
    headers: Dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.body)


def ask(
    edge: LocalEdge, method: str, path: str, body: Any = None, headers: Optional[Mapping[str, str]] = None
) -> Answer:
    """Send a request. A ``body`` that is not bytes is sent as JSON."""
    payload = body if body is None or isinstance(body, bytes) else json.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=60)
    try:
        connection.request(method, path, payload, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): text for name, text in response.getheaders()}, response.read())
    finally:
        connection.close()
