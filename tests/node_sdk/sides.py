"""The two sides: the SDK for Node.js in a process, and this SDK in the test process."""

import json
import re
from typing import Any, Iterator, List
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

from benchmarks.plan import NodeRelease
from benchmarks.process import ROOT, LineProcess
from target_python_sdk import TargetClient
from target_python_sdk.types import DeliveryRequest
from target_tools.errors import TargetError
from tests.node_sdk.artifacts import CLIENT
from tests.node_sdk.values import NOW

Json = Any

OPTIONS = {"client": CLIENT, "organizationId": "1234567890@AdobeOrg", "targetLocationHint": "35"}
GEO = {
    "x-geo-latitude": 37.75,
    "x-geo-longitude": -122.4,
    "x-geo-country-code": "US",
    "x-geo-region-code": "CA",
    "x-geo-city": "SAN FRANCISCO",
}
#: The answer of the edge to each request.
ANSWER = {
    "status": 200,
    "client": CLIENT,
    "id": {"tntId": "edge-device.35_0"},
    "edgeHost": "mboxedge35.tt.omtrdc.net",
    "execute": {"mboxes": [{"index": 0, "name": "far", "options": [{"type": "json", "content": {"from": "edge"}}]}]},
}


def node(release: NodeRelease) -> LineProcess:
    """Start the process of the SDK for Node.js."""
    settings = {"folder": release.folder, "now": NOW, "geo": GEO, "answer": ANSWER}
    return LineProcess(release.node, str(ROOT / "tests" / "node_sdk" / "worker.js"), settings)


def results_of_node(process: LineProcess, artifact: Json, calls: List[Json]) -> List[Json]:
    """Return the results of calls to the SDK for Node.js."""
    results: List[Json] = process.ask(artifact=artifact, calls=calls, client=OPTIONS)["results"]
    return results


class Network:
    """A pool manager that records requests and needs no network. This is also the class of its responses."""

    status = 200
    reason = "OK"

    def __init__(self) -> None:
        self.sent: List[Json] = []
        self.headers = {"Content-Type": "application/json"}
        self._body = b""

    def request(self, method: str, url: str, **more: Any) -> "Network":
        """Record a request, and return the response."""
        address = urlsplit(url)
        answer = Network()
        if address.path == "/v1/geo":
            visitor = {key.lower(): value for key, value in more["headers"].items()}["x-forwarded-for"]
            self.sent.append({"geo": visitor})
            answer._body = json.dumps({**GEO, "x-forwarded-for": visitor}).encode()
            return answer
        body = json.loads(more["body"])
        query = dict(parse_qsl(address.query))
        self.sent.append({"path": address.path, "query": query, "host": address.netloc, "body": body})
        answer._body = json.dumps({**ANSWER, "requestId": body.get("requestId")}).encode()
        return answer

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """Yield the body of the response."""
        return iter((self._body,))

    def release_conn(self) -> None:
        """Do nothing; there is no connection."""

    def close(self) -> None:
        """Do nothing; there is no connection."""


def results_of_this_sdk(artifact: Json, calls: List[Json]) -> List[Json]:
    """Return the results of calls to this SDK."""
    network = Network()
    options = {_snake(name): value for name, value in OPTIONS.items()}
    options.update(
        decisioning_method="hybrid",
        artifact_payload=artifact,
        polling_interval=0,
        telemetry_enabled=False,
        pool_manager=network,
        circuit_breaker=False,
    )
    found = []
    with mock.patch("time.time", lambda: NOW / 1000), TargetClient.create(options) as client:
        for call in calls:
            network.sent = []
            result = _make_call(client, call)
            client.flush(10000)
            found.append({"result": result, "sent": network.sent})
    return found


def _make_call(client: TargetClient, call: Json) -> Json:
    call_options = dict(call["options"])
    options = {_snake(name): value for name, value in call_options.items()}
    options["request"] = DeliveryRequest.from_dict(call_options["request"])
    options["decisioning_method"] = call["method"]
    try:
        if call["do"] == "get_attributes":
            attributes = client.get_attributes(call["names"], options)
            return {**_envelope(attributes.get_response()), "attributes": attributes.as_object()}
        send = client.get_offers if call["do"] == "get_offers" else client.send_notifications
        return _envelope(send(options))
    except TargetError as error:
        return {"error": str(error)}


def _envelope(envelope: Any) -> Json:
    """Return an envelope with the names that Node.js uses."""
    kept = {name: value for name, value in envelope.items() if name != "request" and value is not None}
    return {_camel(name): _part(name, value) for name, value in kept.items()}


def _part(name: str, value: Any) -> Json:
    if name == "response":
        return value.to_dict(by_alias=True, exclude_none=True)
    if name == "meta":
        return {_camel(key): each for key, each in value.items()}
    if isinstance(value, list):
        return [each.to_dict(by_alias=True, exclude_none=True) if hasattr(each, "to_dict") else each for each in value]
    if isinstance(value, dict):
        return {key: each for key, each in value.items() if key != "max_age"}  # maxAge has the same value
    return value


def _snake(name: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda found: found.group(1).upper(), name)
