"""Helpers for scenarios: clients of the servers, short constructors of models, and a visitor."""

import json
import threading
import time
from pathlib import Path
from typing import Any, Dict, List

from as_json import as_json, outcome

import delivery_api_client as api
from target_python_sdk import TargetClient

GIVEN = Path(__file__).resolve().parent.parent / "given"
ORGANIZATION = "1234567890@AdobeOrg"
#: Seconds to wait for a callback, an event or a notification.
PATIENCE = 3
#: The session id of scenarios that do not test sessions.
SESSION = "session-of-the-scenario"


def mbox(name: str = "home", **fields: Any) -> Any:
    """Return a request for an mbox. The default index is 1, because 1.1.0 sets none (B26)."""
    return api.MboxRequest(name=name, **{"index": 1, **fields})


def execute(*mboxes: Any, **fields: Any) -> Any:
    """Return an ``ExecuteRequest``, by default for the mbox ``home``."""
    return api.ExecuteRequest(mboxes=list(mboxes) or [mbox()], **fields)


def request(**fields: Any) -> Any:
    """Return a request from the web, by default for the mbox ``home``."""
    fields = fields if {"execute", "prefetch", "notifications"} & set(fields) else {"execute": execute(), **fields}
    return api.DeliveryRequest(**{"context": api.Context(channel=api.ChannelType.WEB), **fields})


def artifact(**changes: Any) -> Dict[str, Any]:
    """Return a new copy of the artifact for on-device decisions, with these changes."""
    return {**json.loads((GIVEN / "artifact.json").read_text(encoding="utf-8")), **changes}


class Visitor:
    """A minimal Experience Cloud visitor that records the consumer ids."""

    def __init__(self, values: Any = None, state: Any = None, supplemental: Any = None) -> None:
        self._values, self._state, self._supplemental = values or {}, state or {}, supplemental
        self.consumers: List[Any] = []

    def get_visitor_values(self) -> Any:
        """Return ids such as MCMID."""
        return self._values

    def get_state(self) -> Any:
        """Return the state for the page."""
        return self._state

    def get_supplemental_data_id(self, consumer: Any) -> Any:
        """Return the supplemental data id."""
        self.consumers.append(consumer)
        return self._supplemental


class Environment:
    """The servers and clients of one scenario."""

    def __init__(self, edge: str, encrypted: str) -> None:
        self.edge = edge
        #: The domain of a server with TLS, or an empty string.
        self.encrypted = encrypted
        #: The start of the scenario, in seconds since 1970.
        self.now = time.time()
        self._clients: List[Any] = []

    def options(self, **options: Any) -> Dict[str, Any]:
        """Return options for a client that uses the edge, without those that are None.

        Telemetry is off, because 1.1.0 sent none for server-side calls.
        """
        defaults = {
            "client": "acmeclient",
            "organization_id": ORGANIZATION,
            "server_domain": self.edge,
            "secure": False,
            "telemetry_enabled": False,
        }
        return {name: value for name, value in {**defaults, **options}.items() if value is not None}

    def client(self, **options: Any) -> Any:
        """Create a client of the edge."""
        client = TargetClient.create(self.options(**options))
        self._clients.append(client)
        return client

    def on_device(self, **options: Any) -> Any:
        """Create an on-device client with the artifact, and a location hint so that it does not request one."""
        defaults = {"artifact_payload": artifact(), "target_location_hint": "35", "polling_interval": 0}
        return self.client(**{"decisioning_method": "on-device", "telemetry_enabled": False, **defaults, **options})

    def offers(self, delivery_request: Any = None, client: Any = None, **options: Any) -> Any:
        """Call ``get_offers``; return its result."""
        delivery_request = request() if delivery_request is None else delivery_request
        return (client or self.client()).get_offers({"request": delivery_request, "session_id": SESSION, **options})

    def notify(self, *notifications: Any, **options: Any) -> Any:
        """Call ``send_notifications``; return its result."""
        delivery_request = request(notifications=list(notifications))
        return self.client().send_notifications({"request": delivery_request, "session_id": SESSION, **options})

    def call_with_callbacks(self, call: Any, options: Dict[str, Any]) -> Dict[str, Any]:
        """Call with callbacks; return their arguments, whether the result is ready, and the value of ``get``."""
        callback_calls: List[Any] = []
        done = threading.Event()

        def callback(which: str) -> Any:
            def take(value: Any) -> None:
                callback_calls.append([which, as_json(value)])
                done.set()

            return take

        result = call({**options, "callback": callback("callback"), "err_callback": callback("err_callback")})
        result.wait(PATIENCE)
        done.wait(PATIENCE if result.ready() else 0)
        answer = (
            result.get(PATIENCE) if result.ready() and callback_calls and callback_calls[0][0] == "callback" else None
        )
        return {"given": callback_calls, "ready": result.ready(), "get()": as_json(answer)}

    def event(self, name: str, **options: Any) -> Any:
        """Create a client, and wait up to ``PATIENCE`` seconds for an event ``name``.

        Return the outcome of the creation, and the events.
        """
        received_events: List[Any] = []
        received = threading.Event()

        def take(event: Any) -> None:
            received_events.append(event)
            received.set()

        creation = outcome(lambda: self.client(**{**options, "events": {name: take}}))
        received.wait(PATIENCE if not isinstance(creation, Exception) else 0)
        return {
            "create": as_json(creation) if isinstance(creation, Exception) else "a client",
            "given": as_json(received_events),
        }

    def end(self) -> None:
        """Close the clients, if they can be closed, so that pending notifications are sent."""
        for client in self._clients:
            getattr(client, "close", bool)()
