"""Takes the place of the network: answers the requests of clients in this process, and opens no socket.

Only the transport is replaced. Requests and answers pass through JSON, as on the wire. A ``LocalEdge`` that listens on
no port makes the decisions.
"""

import contextlib
import copy
import itertools
import time
from functools import partial
from http import HTTPStatus
from typing import Any, ContextManager, Dict, List, Mapping, Optional, Type, Union
from urllib.parse import parse_qsl

from target_python_sdk.artifact.update import CurrentArtifact
from target_python_sdk.decisioning.forced import Name, find_experiences, with_forced
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.local_edge.activities import ActivitiesSource, open_document, parse_activities
from target_python_sdk.local_edge.artifact_builder import build_artifact
from target_python_sdk.local_edge.edge import GEO_PATH, LocalEdge
from target_python_sdk.local_edge.faults import MAX_DELAY
from target_python_sdk.local_edge.http_messages import RecordedRequest, encode_body, parse_body
from target_python_sdk.local_edge.recording import estimated_memory
from target_python_sdk.local_edge.validation import check_number
from target_python_sdk.observation import locations_of
from target_python_sdk.protocol import DELIVERY_PATH
from target_python_sdk.runtime import Runtime
from target_python_sdk.testing.offers import FIRST_ID, OfferContent, activity_showing
from target_python_sdk.types import DeliveryRequest
from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.lock_free import PerProcess
from target_tools.error_text import invalid
from target_tools.errors import ArtifactNotAvailable, DeadlineExceeded, DeliveryError, HttpStatusError, OptionError
from target_tools.event_provider import EventProvider
from target_tools.http.messages import HttpReply, HttpRequest, Timings, too_large
from target_tools.http.policies import RetryPolicy
from target_tools.http.transport import Transport
from target_tools.logger import Log

#: What ``fail_with`` accepts: an error, its class, a status, or None.
Failure = Union[int, DeliveryError, Type[DeliveryError], None]

#: Seconds to wait for the notifications that clients send in the background.
FLUSH_TIMEOUT = 5.0
#: The message for an error that has none.
_SIMULATED = "simulated by fail_with"

#: The keys in an artifact, for mboxes and for views: the rules, the local names and the remote names.
_LOCATIONS = (("mboxes", "localMboxes", "remoteMboxes"), ("views", "localViews", "remoteViews"))


class FakeNetwork:
    """The network of some clients: an edge and a CDN. ``client`` is the client code that is used to bucket visitors."""

    def __init__(self, client: str) -> None:
        self._client = client
        #: The states of the clients. They download the artifact again when it changes.
        self._runtimes: List[FakeRuntime] = []
        self.reset()

    def reset(self) -> None:
        """Forget all offers, failures and requests."""
        self._loaded: Mapping[str, Any] = {"activities": []}
        #: The activities that show one offer each, by kind and name of the location; the latest one is the last.
        self._shown: Dict[Any, Dict[str, Any]] = {}
        self._ids = itertools.count(FIRST_ID)
        self._delay = 0.0
        self._failure: Union[int, DeliveryError, None] = None
        #: The bodies of the delivery requests, as parsed JSON.
        self._sent: List[Any] = []
        self.edge = _UnservedEdge(self._document(self._loaded, self._shown))
        self._update_artifacts()

    # Offers

    def load(self, source: ActivitiesSource) -> None:
        """Serve activities or a rule artifact in addition to the offers that are shown. Raises ``OptionError``."""
        with open_document(source) as document:
            if not _is_artifact(document):
                parse_activities(document)  # so that errors name places in this document, not in the merged one
            self._serve(document, self._shown)

    def show(self, location: str, content: OfferContent, is_view: bool, **names: Any) -> None:
        """Show an offer to every visitor. Raises ``OptionError``."""
        key = (is_view, location)
        activity = activity_showing(next(self._ids), location, content, is_view, **names)
        others = {other: shown for other, shown in self._shown.items() if other != key}
        self._serve(self._loaded, {**others, key: activity})

    def hide(self, location: str) -> None:
        """Stop showing the offers of ``show`` at a location."""
        self._serve(self._loaded, {key: shown for key, shown in self._shown.items() if key[1] != location})

    def _serve(self, loaded: Mapping[str, Any], shown: Dict[Any, Dict[str, Any]]) -> None:
        self.edge.load(self._document(loaded, shown))
        self._loaded, self._shown = loaded, shown
        self._update_artifacts()

    def _document(self, loaded: Mapping[str, Any], shown: Dict[Any, Dict[str, Any]]) -> Dict[str, Any]:
        """Return the activities or the artifact to serve. The offers that are shown take precedence."""
        if _is_artifact(loaded):
            return _with_activities(loaded, {"client": self._client, "activities": [*shown.values()]})
        return {**loaded, "client": self._client, "activities": [*shown.values(), *loaded["activities"]]}

    def _update_artifacts(self) -> None:
        for runtime in self._runtimes:
            runtime.update_artifact()

    # Failures and delays

    def slow(self, milliseconds: float) -> ContextManager[object]:
        """Delay each answer. The end of a ``with`` block restores the earlier delay."""
        return self._changed("_delay", check_number(milliseconds, "delay", 0, MAX_DELAY))

    def fail_with(self, error: Failure) -> ContextManager[object]:
        """Fail each request. The end of a ``with`` block restores the earlier failure."""
        return self._changed("_failure", _parse_failure(error))

    def _changed(self, name: str, value: Union[float, DeliveryError, None]) -> ContextManager[object]:
        """Set an attribute. The end of a ``with`` block restores its value."""
        stack = contextlib.ExitStack()
        stack.callback(self._change, name, getattr(self, name))
        self._change(name, value)
        return stack

    def _change(self, name: str, value: Union[float, DeliveryError, None]) -> None:
        self.flush()  # the change must not affect earlier notifications
        setattr(self, name, value)

    @property
    def lacks_artifact(self) -> bool:
        """Whether on-device calls fail with ``ArtifactNotAvailable``."""
        return isinstance(self._failure, ArtifactNotAvailable)

    # The clients

    def processes(self, settings: ClientSettings, events: EventProvider, log: Log) -> "PerProcess[Runtime]":
        """Return the state of a client that sends its requests to this network."""
        create = partial(FakeRuntime, self, settings, events, log)
        return PerProcess(create, lambda runtime: runtime.start(), Runtime.discard_inherited)

    def use_code(self, client: str) -> None:
        """Bucket visitors as for a client with this code."""
        if client != self._client:
            self._client = client
            self._serve(self._loaded, self._shown)

    def connect(self, runtime: "FakeRuntime") -> None:
        """Keep the artifact of a client up to date."""
        self._runtimes.append(runtime)

    def disconnect(self, runtime: Optional[Runtime]) -> None:
        """Forget a client."""
        self._runtimes = [each for each in self._runtimes if each is not runtime]

    def flush(self) -> None:
        """Wait for the calls and notifications that the clients send in the background."""
        for runtime in list(self._runtimes):
            runtime.workers.flush(FLUSH_TIMEOUT)

    @property
    def requests(self) -> List[DeliveryRequest]:
        """The requests to the edge so far, oldest first."""
        return [DeliveryRequest.from_dict(body) for body in list(self._sent)]

    @property
    def shown(self) -> List[str]:
        """The locations of the offers that are shown, without those of loaded activities."""
        return [location for _, location in self._shown]

    @property
    def requested(self) -> List[str]:
        """The locations of the requests so far, each once. Does not wait for calls in the background."""
        return list(dict.fromkeys(location for request in self.requests for location in locations_of(request)))

    def send(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        """Return the reply of the edge or the CDN. Raises the error of ``fail_with``."""
        began = monotonic()
        path, _, query = request.target.partition("?")
        headers = {name.lower(): value for name, value in request.headers}
        fields = dict(parse_qsl(query, keep_blank_values=True))
        recorded = RecordedRequest(request.method, path, fields, headers, parse_body(request.body), 1)
        if path == DELIVERY_PATH:
            self._sent.append(recorded.body)
        failed = self._faulty_reply(deadline) if path in (DELIVERY_PATH, GEO_PATH) else None
        if failed is not None:
            return failed
        reply = self.edge.reply(recorded, estimated_memory(request.body))
        body, content_type = encode_body(reply.body)
        if len(body) > request.max_bytes:
            raise too_large(request.max_bytes)
        timings = Timings(first_byte=(monotonic() - began) * 1000, sent=len(request.body), received=len(body))
        all_headers = {**content_type, **reply.headers}
        return HttpReply(reply.status, HTTPStatus(reply.status).phrase, all_headers, body, timings)

    def _faulty_reply(self, deadline: Deadline) -> Optional[HttpReply]:
        """Wait for the delay. If requests must fail, return a reply with an error status, or raise an error."""
        seconds, failure = self._delay / 1000, self._failure
        if seconds >= deadline.remaining():
            # Waiting for the deadline would only make the test slower.
            raise DeadlineExceeded(f"no answer within {deadline.seconds * 1000:.0f} ms")
        if seconds:
            time.sleep(seconds)
        if isinstance(failure, int):
            body, headers = encode_body({"status": failure, "message": _SIMULATED})
            reason = HTTPStatus(failure).phrase if failure in list(HTTPStatus) else "Unknown"
            return HttpReply(failure, reason, headers, body, Timings(received=len(body)))
        if isinstance(failure, HttpStatusError):
            body = (failure.body or "").encode()
            return HttpReply(failure.status or 0, failure.reason or "", failure.headers or {}, body, Timings())
        if failure is None or isinstance(failure, ArtifactNotAvailable):
            return None
        raise copy.copy(failure) from failure.__cause__


def _is_artifact(document: Any) -> bool:
    return isinstance(document, Mapping) and "rules" in document and "version" in document


def _with_activities(artifact: Mapping[str, Any], activities: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a rule artifact with the rules of further activities, which take precedence."""
    added = build_artifact(parse_activities(activities))
    rules: Dict[str, Any] = dict(artifact["rules"])
    lists: Dict[str, List[str]] = {}
    for kind, local, remote in _LOCATIONS:
        new, old = added["rules"][kind], rules.get(kind) or {}
        rules[kind] = {**old, **{name: [*new[name], *old.get(name, ())] for name in new}}
        lists[local] = sorted({*(artifact.get(local) or ()), *new})
        lists[remote] = [name for name in artifact.get(remote) or () if name not in new]
    meta = {**(artifact.get("meta") or {}), "clientCode": activities["client"]}
    return {**artifact, **lists, "meta": meta, "rules": rules}


def _parse_failure(error: Failure) -> Union[int, DeliveryError, None]:
    """Return the failure to simulate. A class becomes an instance of it. Raises ``OptionError``."""
    given: Any = error
    if isinstance(given, type) and issubclass(given, DeliveryError):
        try:
            given = given(_SIMULATED)
        except TypeError:  # HttpStatusError requires more arguments
            given = error
    elif isinstance(given, DeliveryError) and not given.message:
        given = copy.copy(given)
        given.message = _SIMULATED
    is_status = isinstance(given, int) and not isinstance(given, bool) and 400 <= given <= 599
    if given is None or is_status or isinstance(given, DeliveryError):
        return given  # type: ignore[no-any-return]
    expected = "a DeliveryError, such as DeadlineExceeded(), a status from 400 to 599, or None"
    raise OptionError(invalid("Invalid argument 'error'", expected=expected, got=given), "error", expected)


class _UnservedEdge(LocalEdge):
    """A local edge that does not listen."""

    def reply(self, request: RecordedRequest, size: int) -> Any:
        """Return the reply to a request."""
        return self._respond(request, size)

    @property
    def forced(self) -> Dict[Name, Name]:
        """The experiences that are forced for every visitor, by activity."""
        return self._forced.of(None)


class _FakeTransport(Transport):
    """Passes requests to a fake network."""

    def __init__(self, network: FakeNetwork, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._network = network

    def send(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        """Return the reply of the fake network."""
        return self._network.send(request, deadline)


class FakeRuntime(Runtime):
    """The state of a client whose network is fake.

    It makes one attempt for each call. It neither polls nor requests a location hint.
    """

    def __init__(
        self,
        network: FakeNetwork,
        settings: ClientSettings,
        events: EventProvider,
        log: Log,
        inherited: Optional[Runtime] = None,
    ) -> None:
        defaults = ClientSettings(settings.client, settings.organization_id)
        settings = settings._replace(
            retries=RetryPolicy(attempts=1),
            circuit_breaker=None,
            # The artifact is that of the fake network.
            cdn_base_path=defaults.cdn_base_path,
            artifact_location=None,
            artifact_payload=None,
            artifact_format=None,
            artifact_cache=None,
            polling_interval=0.0,
        )
        open_transport = partial(_FakeTransport, network)
        super().__init__(settings, events, log, inherited, requests_hint=False, open_transport=open_transport)
        self._network = network
        network.connect(self)

    def start(self) -> None:
        """Download the artifact, if the client decides on-device."""
        if self.artifacts is not None and self.artifacts.current is None:
            self.artifacts.update()

    def update_artifact(self) -> None:
        """Download the artifact if it has changed."""
        if self.artifacts is not None:
            self.artifacts.update()

    def current_artifact(self) -> Optional[CurrentArtifact]:
        """Return the current artifact with the forced experiences."""
        current = None if self.artifacts is None or self._network.lacks_artifact else self.artifacts.current
        if current is None:
            return None
        found = []
        for activity, experience in self._network.edge.forced.items():
            with contextlib.suppress(OptionError):  # raised for an activity that only the edge decides
                found += find_experiences(current.artifact, {activity: experience})
        return current._replace(artifact=with_forced(current.artifact, found).artifact) if found else current
