"""What a scenario may use: clients of the servers that are there, models in few words, a visitor, time."""

import json
import threading
import time
from pathlib import Path
from typing import Any, Dict, List

from telling import outcome, told

import delivery_api_client as api
from target_python_sdk import TargetClient

GIVEN = Path(__file__).resolve().parent.parent / "given"
ORGANIZATION = "1234567890@AdobeOrg"
#: Seconds that a callback, an event or a notification is waited for.
PATIENCE = 3
#: The session of a scenario that is not about sessions.
SESSION = "session-of-the-scenario"


def mbox(name: str = "home", **fields: Any) -> Any:
    """An mbox to ask for, with an index unless told otherwise: 1.1.0 sends none of its own (B26)."""
    return api.MboxRequest(name=name, **{"index": 1, **fields})


def execute(*mboxes: Any, **fields: Any) -> Any:
    """What is executed; without words, the mbox ``home``."""
    return api.ExecuteRequest(mboxes=list(mboxes) or [mbox()], **fields)


def request(**fields: Any) -> Any:
    """A request from the web; without words, for the mbox ``home``."""
    fields = fields if {"execute", "prefetch", "notifications"} & set(fields) else {"execute": execute(), **fields}
    return api.DeliveryRequest(**{"context": api.Context(channel=api.ChannelType.WEB), **fields})


def artifact(**changes: Any) -> Dict[str, Any]:
    """The artifact for on-device decisions, a fresh one each time."""
    return {**json.loads((GIVEN / "artifact.json").read_text(encoding="utf-8")), **changes}


class Visitor:
    """An Experience Cloud visitor of few words, that remembers what it was asked."""

    def __init__(self, values: Any = None, state: Any = None, supplemental: Any = None) -> None:
        self._values, self._state, self._supplemental = values or {}, state or {}, supplemental
        self.asked: List[Any] = []

    def get_visitor_values(self) -> Any:
        """MCMID and the like."""
        return self._values

    def get_state(self) -> Any:
        """What the page takes over."""
        return self._state

    def get_supplemental_data_id(self, consumer: Any) -> Any:
        """The id that stitches hits."""
        self.asked.append(consumer)
        return self._supplemental


class World:
    """One scenario's servers and clients."""

    def __init__(self, edge: str, encrypted: str) -> None:
        self.edge = edge
        #: A server that speaks TLS, where there is one.
        self.encrypted = encrypted
        #: Seconds of the epoch at which the scenario began.
        self.now = time.time()
        self._clients: List[Any] = []

    def options(self, **options: Any) -> Dict[str, Any]:
        """The options of a client of the edge; those that are None are left out."""
        usual = {"client": "acmeclient", "organization_id": ORGANIZATION, "server_domain": self.edge, "secure": False}
        return {name: value for name, value in {**usual, **options}.items() if value is not None}

    def client(self, **options: Any) -> Any:
        """A client of the edge."""
        client = TargetClient.create(self.options(**options))
        self._clients.append(client)
        return client

    def on_device(self, **options: Any) -> Any:
        """A client that decides by the artifact here; the hint spares it a question at its start."""
        usual = {"artifact_payload": artifact(), "target_location_hint": "35", "polling_interval": 0}
        return self.client(**{"decisioning_method": "on-device", "telemetry_enabled": False, **usual, **options})

    def offers(self, asked: Any = None, client: Any = None, **options: Any) -> Any:
        """What ``get_offers`` gives."""
        asked = request() if asked is None else asked
        return (client or self.client()).get_offers({"request": asked, "session_id": SESSION, **options})

    def notify(self, *notifications: Any, **options: Any) -> Any:
        """What ``send_notifications`` gives."""
        asked = request(notifications=list(notifications))
        return self.client().send_notifications({"request": asked, "session_id": SESSION, **options})

    def called_back(self, call: Any, options: Dict[str, Any]) -> Dict[str, Any]:
        """What callback and err_callback are given, and what the result says."""
        given: List[Any] = []
        done = threading.Event()

        def tell(which: str) -> Any:
            def take(value: Any) -> None:
                given.append([which, told(value)])
                done.set()

            return take

        result = call({**options, "callback": tell("callback"), "err_callback": tell("err_callback")})
        result.wait(PATIENCE)
        done.wait(PATIENCE if result.ready() else 0)
        answer = result.get(PATIENCE) if result.ready() and given and given[0][0] == "callback" else None
        return {"given": given, "ready": result.ready(), "get()": told(answer)}

    def event(self, name: str, **options: Any) -> Any:
        """What the first event of that name brings; None where none comes in time."""
        given: List[Any] = []
        came = threading.Event()

        def take(event: Any) -> None:
            given.append(event)
            came.set()

        failed = outcome(lambda: self.client(**{**options, "events": {name: take}}))
        came.wait(PATIENCE if not isinstance(failed, Exception) else 0)
        return {"create": told(failed) if isinstance(failed, Exception) else "a client", "given": told(given)}

    def end(self) -> None:
        """Send what is owed, and close where a client can."""
        for client in self._clients:
            getattr(client, "close", bool)()
