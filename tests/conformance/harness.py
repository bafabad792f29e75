"""Runs one conformance case through the public client, with a CDN and an edge on loopback.

A suite is a JSON file: ``description``, ``artifact`` (a file of ``artifacts/``), ``conf``
(client options in camelCase) and ``test``, the cases by their keys. A case has ``input``
(the options of one ``get_offers`` in camelCase), ``output``, ``notificationOutput``,
``mockDate`` and ``mockGeo``, and may override ``artifact`` and ``conf``. The cases of this
project may also have these keys:

=============== ==============================================================================
``meta``        values that the envelope's ``meta`` must contain
``absent``      paths that the response must not have, each a list of names and numbers
``geoOutput``   the IP addresses that are looked up, in order
``mockEdge``    the answer of the edge to a delivery
``edgeOutput``  the body of the request to the edge for a decision; ``null`` if there must be none
``allocations`` the bucket of the visitor in each activity, by the activity's id
=============== ==============================================================================

If ``artifact`` is ``null``, the CDN has none.
"""

import datetime
import json
import re
import threading
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional
from urllib.parse import parse_qsl, urlsplit

from target_python_sdk import TargetClient
from target_python_sdk.testing import SocketServer, response
from target_python_sdk.types import DeliveryRequest
from tests.support import LONG, body_of, head_of

#: Input options whose camelCase name is not the name of the SDK's option.
OPTION_NAMES = {"locationHint": "target_location_hint"}
#: Seconds to wait for the artifact of a client.
PATIENCE = 20


class Case(NamedTuple):
    """One case, with the defaults of its suite."""

    folder: Path
    suite: str
    key: str
    conf: Dict[str, Any]
    artifact: Optional[str]
    content: Dict[str, Any]

    @property
    def name(self) -> str:
        """The name in reports."""
        return f"{self.suite}-{self.key}"

    def artifact_bytes(self) -> Optional[bytes]:
        """Return the artifact that the CDN serves, or None."""
        if self.artifact is None:
            return None
        return (self.folder / "artifacts" / (self.artifact + ".json")).read_bytes()


class Outcome(NamedTuple):
    """The outcome of a case."""

    response: Dict[str, Any]
    meta: Dict[str, Any]
    #: Bodies of the deliveries that requested a decision from the edge.
    edge_requests: List[Any]
    #: The other deliveries: the body of each as ``request``, and its ``sessionId``.
    reports: List[Dict[str, Any]]
    #: The IP addresses that were sent to the geo service.
    looked_up_addresses: List[Optional[str]]


def cases_in(folder: Path) -> List[Case]:
    """Return the cases of all suites in ``folder``, in the order of the files."""
    found = []
    for file in sorted((folder / "suites").glob("*.json")):
        suite = json.loads(file.read_text(encoding="utf-8"))
        name = re.sub("^TEST_SUITE_", "", file.stem)
        for key, content in suite["test"].items():
            conf = {**suite.get("conf", {}), **content.get("conf", {})}
            artifact = content.get("artifact", suite.get("artifact"))
            found.append(Case(folder, name, key, conf, artifact, content))
    return found


class Network:
    """The CDN, the geo service and the edge of one case, as the handler of a server."""

    def __init__(self, case: Case) -> None:
        self._artifact = case.artifact_bytes()
        self._geo = case.content.get("mockGeo")
        self._edge = case.content.get("mockEdge")
        self.deliveries: List[Dict[str, Any]] = []
        self.looked_up_addresses: List[Optional[str]] = []

    def __call__(self, connection: Any) -> None:
        while True:
            raw = connection.read_request()
            if not raw:
                return
            connection.send(self._reply(raw))

    def _reply(self, raw: bytes) -> bytes:
        head = head_of(raw)
        method, target, _ = head[""].split(" ")
        address = urlsplit(target)
        endpoint = (method, address.path)
        if endpoint == ("GET", "/rules.json"):
            return closing_response(status=404) if self._artifact is None else closing_response(self._artifact)
        if endpoint == ("GET", "/v1/geo"):
            self.looked_up_addresses.append(head.get("x-forwarded-for"))
            return closing_response(status=404) if self._geo is None else closing_response(self._geo)
        if endpoint == ("POST", "/rest/v1/delivery"):
            body = body_of(raw)
            self.deliveries.append({"sessionId": dict(parse_qsl(address.query))["sessionId"], "request": body})
            return closing_response(self._edge or {"status": 200, "requestId": body["requestId"], "client": "x"})
        raise AssertionError(f"unexpected request: {endpoint}")


def closing_response(body=None, status=200):
    """Return a response that closes the connection.

    A case may answer with another request id than that of the request, which the client refuses on a reused connection.
    """
    return response(body, status, {"Connection": "close"})


class StandInVisitor:
    """The ``visitor`` of an input, as an object."""

    def __init__(self, given: Dict[str, Any]) -> None:
        self._given = given

    def get_visitor_values(self) -> Any:
        """Return the visitor's ids, such as the MCMID."""
        return self._given.get("values", {})

    def get_state(self) -> Any:
        """Return the state for the page."""
        return self._given.get("state")

    def get_supplemental_data_id(self, consumer: str) -> Any:
        """Return the id that connects Analytics hits with the call."""
        return self._given.get("supplementalDataId")


def run(case: Case, monkeypatch: Any) -> Outcome:
    """Make the call of ``case`` with a new client, and wait until its notifications are sent."""
    if "mockDate" in case.content:
        seconds = moment(case.content["mockDate"])
        monkeypatch.setattr("time.time", lambda: seconds)
    network = Network(case)
    with SocketServer(network) as server:
        with client_for(case, server) as client:
            envelope = client.get_offers(call_options(case.content["input"]))
            client.flush()
    answer = envelope["response"].to_dict(by_alias=True, exclude_none=True)
    edge_requests = [one["request"] for one in network.deliveries if _requests_decision(one["request"])]
    reports = [one for one in network.deliveries if not _requests_decision(one["request"])]
    return Outcome(answer, dict(envelope["meta"]), edge_requests, reports, network.looked_up_addresses)


def moment(date: Dict[str, int]) -> float:
    """Return the seconds since 1970 of a ``mockDate``, whose months count from 0."""
    clock = (date.get("hours", 0), date.get("minutes", 0), date.get("seconds", 0))
    day = (date["year"], date["month"] + 1, date["date"])
    return datetime.datetime(*day, *clock, tzinfo=datetime.timezone.utc).timestamp()


def client_for(case: Case, server: SocketServer) -> TargetClient:
    """Return a client with the options of ``case``. If the case has an artifact, the client has downloaded it."""
    downloaded = threading.Event()
    client = TargetClient.create(
        {
            "decisioning_method": "on-device",
            "timeout": LONG,
            "maximum_wait_ready": LONG,
            "events": {"artifact_download_succeeded": lambda event: downloaded.set()},
            **{snake(name): value for name, value in case.conf.items()},
            "artifact_location": f"http://{server.domain}/rules.json",
            "cdn_base_path": "http://" + server.domain,
            "server_domain": server.domain,
            "secure": False,
        }
    )
    if case.artifact is not None:
        assert downloaded.wait(PATIENCE), "the client did not get its artifact"
    return client


def call_options(given: Dict[str, Any]) -> Dict[str, Any]:
    """Return the options of a call with the SDK's names and types."""
    options = {OPTION_NAMES.get(name, snake(name)): value for name, value in given.items()}
    options["request"] = DeliveryRequest.from_dict(given["request"])
    if isinstance(given.get("visitor"), dict):
        options["visitor"] = StandInVisitor(given["visitor"])
    return options


def snake(name: str) -> str:
    """Convert ``propertyToken`` to ``property_token``."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _requests_decision(body: Dict[str, Any]) -> bool:
    return "execute" in body or "prefetch" in body
