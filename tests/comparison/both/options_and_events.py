"""What a client refuses, and what it tells."""

import threading
from typing import Any, Callable, Dict

from telling import outcome, told
from world import PATIENCE, World, execute, mbox, request

import delivery_api_client as api
from target_python_sdk import TargetClient
from target_tools.enums import DecisioningMethod


def creating(**options: Any) -> Callable[[World], Any]:
    """A scenario of a client of these options; those given as None are left out."""
    return lambda do: type(do.client(**options)).__name__


def offering(options: Any) -> Callable[[World], Any]:
    """A scenario of ``get_offers`` with exactly these options."""
    return lambda do: do.client().get_offers(options(do) if callable(options) else options)


OPTIONS: Dict[str, Callable[[World], Any]] = {
    "of a client: none": lambda do: told(TargetClient.create()),
    "of a client: None": lambda do: told(TargetClient.create(None)),
    "of a client: an empty dict": lambda do: told(TargetClient.create({})),
    "of a client: no client": creating(client=None),
    "of a client: an empty client": creating(client=""),
    "of a client: no organization": creating(organization_id=None),
    "of a client: an empty organization": creating(organization_id=""),
    "of a client: another decisioning method": creating(decisioning_method="elsewhere"),
    "of a client: an Enum's member": creating(decisioning_method=DecisioningMethod.SERVER_SIDE),
    "of a client: an empty decisioning method": creating(decisioning_method=""),
    "of a client: a timeout of 0": creating(timeout=0),
    "of a client: made by its class": lambda do: type(TargetClient(do.options())).__name__,
    "of a client: made by its class, without": lambda do: type(TargetClient()).__name__,
    "of get_offers: None": offering(None),
    "of get_offers: an empty dict": offering({}),
    "of get_offers: request is None": offering({"request": None}),
    "of get_offers: request is a dict": offering({"request": {"execute": {"mboxes": [{"name": "home"}]}}}),
    "of get_offers: request is a text": offering({"request": "home"}),
    "of get_offers: neither execute nor prefetch": offering(
        {"request": api.DeliveryRequest(context=api.Context(channel="web"))}
    ),
    "of get_offers: an empty execute": offering({"request": request(execute=api.ExecuteRequest())}),
    "of get_offers: an empty prefetch": offering({"request": request(prefetch=api.PrefetchRequest())}),
    "of get_offers: mboxes without a name": offering({"request": request(execute=execute(mbox(name=None)))}),
    "of get_offers: another decisioning method": lambda do: do.offers(decisioning_method="elsewhere"),
    "of get_offers: an Enum's member": lambda do: do.offers(decisioning_method=DecisioningMethod.SERVER_SIDE),
    "of get_offers: a callback that is none": lambda do: do.offers(callback="call me"),
    "of get_offers: an err_callback that is none": lambda do: do.offers(callback=print, err_callback="call me"),
    "of send_notifications: an empty dict": lambda do: do.client().send_notifications({}),
    "of send_notifications: no notifications": lambda do: do.client().send_notifications(
        {"request": api.DeliveryRequest(context=api.Context(channel="web"))}
    ),
    "of send_notifications: a callback that is none": lambda do: do.notify(
        api.Notification(id="n", type="click", timestamp=1), callback=5
    ),
    "of get_attributes: request is a dict": lambda do: do.client().get_attributes(
        ["home"], {"request": {"execute": {"mboxes": [{"name": "home"}]}}}
    ),
    "of get_attributes: names are a text": lambda do: told(
        do.client().get_attributes("home", {"request": request()}).get_response()
    ),
    "of get_attributes: a callback that is none": lambda do: do.client().get_attributes(
        ["home"], {"request": request(), "callback": 5}
    ),
    "on-device without an artifact": lambda do: do.offers(
        client=do.client(
            decisioning_method="on-device",
            artifact_location="http://{}/nothing-here.json".format(do.edge),
            target_location_hint="35",
            polling_interval=0,
        )
    ),
}


def taking(**options: Any) -> Callable[[World], Any]:
    """A scenario of a call by a client of these options."""
    return lambda do: do.offers(client=do.client(**options))


#: Values that are not of the documented type.
UNUSUAL: Dict[str, Callable[[World], Any]] = {
    "a timeout as text": taking(timeout="3000"),
    "a negative timeout": taking(timeout=-1),
    "an environment as text": taking(environment_id="5"),
    "a maximum_wait_ready that is negative": taking(maximum_wait_ready=-1),
    "secure is 0": taking(secure=0),
    "telemetry_enabled is 1": taking(telemetry_enabled=1),
    "telemetry_enabled is 0": taking(telemetry_enabled=0),
    "a property_token that is a number": taking(property_token=5),
    "a version that is a number": taking(version=5),
    "events are a list": taking(events=[]),
    "an event without a handler": taking(events={"x": None}),
    "an underscore in the client": taking(client="acme_client"),
    "secure is a word": creating(secure="false"),
    "telemetry_enabled is a word": creating(telemetry_enabled="true"),
    "a scheme in server_domain": creating(server_domain="http://host"),
    "a colon without a port": creating(server_domain="host:"),
    "a timeout that is no number": creating(timeout="x"),
    "customer_ids are a text": lambda do: do.offers(customer_ids="abc"),
}


def ready(handler: Callable[[Any], Any], **options: Any) -> Callable[[World], Any]:
    """A scenario of a client that has a ``client_ready`` handler."""

    def scenario(do: World) -> Any:
        given: Any = []
        came = threading.Event()
        do.client(**options, events={"client_ready": handler(lambda *event: (given.extend(event), came.set()))})
        came.wait(1)
        return {"called": came.is_set(), "given": given}

    return scenario


def without_parameter(tell: Any) -> Callable[[], Any]:
    """A handler as the documentation shows it (D7)."""

    def handler() -> None:
        tell()

    return handler


def config_afterwards(do: World) -> Any:
    """``client.config`` of a client with every plain option."""
    client = do.client(environment_id=7, property_token="tok", version="9", timeout=500)
    return {name: told(client.config.get(name)) for name in CONFIG}


CONFIG = (
    "client", "organization_id", "server_domain", "secure", "timeout", "environment_id", "property_token", "version",
    "decisioning_method", "internal", "target_location_hint", "nothing of ours",
)  # fmt: skip


def emitted(do: World) -> Any:
    """An event of the application's own."""
    given: Any = []
    client = do.client(events={"mine": given.append})
    outcome(lambda: client.event_emitter("mine", {"a": 1}))
    outcome(lambda: client.event_emitter("yours", {"a": 1}))
    return given


EVENTS: Dict[str, Callable[[World], Any]] = {
    "client_ready": lambda do: do.event("client_ready"),
    "client_ready, to a handler without a parameter": ready(without_parameter),
    "client_ready, on-device": lambda do: do.event("client_ready", **downloading(do)),
    "artifact_download_succeeded": lambda do: do.event("artifact_download_succeeded", **downloading(do)),
    "artifact_download_failed": lambda do: do.event("artifact_download_failed", **downloading(do, "nothing-here.json")),
    "no subscriber": lambda do: type(do.client(events={})).__name__,
    "client.event_emitter": emitted,
    "client.config": config_afterwards,
    "client.decisioning_engine": lambda do: do.client().decisioning_engine,
    "client.logger": lambda do: do.client().logger.name,
}


def downloading(do: World, path: str = "acmeclient/production/v1/rules.json") -> Dict[str, Any]:
    """The options of a client that fetches its artifact."""
    return {
        "decisioning_method": "on-device",
        "artifact_location": "http://{}/{}".format(do.edge, path),
        "target_location_hint": "35",
        "polling_interval": 0,
        "telemetry_enabled": False,
        "maximum_wait_ready": PATIENCE * 1000,
    }


SCENARIOS = {
    **{"options " + name: scenario for name, scenario in OPTIONS.items()},
    **{"options, " + name: scenario for name, scenario in UNUSUAL.items()},
    **{"events, " + name: scenario for name, scenario in EVENTS.items()},
}
