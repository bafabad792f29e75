"""Options that a client refuses or accepts, and the events that it sends."""

import threading
from typing import Any, Callable, Dict

from as_json import as_json, outcome
from environment import PATIENCE, Environment, execute, mbox, request

import delivery_api_client as api
from target_python_sdk import TargetClient
from target_tools.enums import DecisioningMethod


def creating(**options: Any) -> Callable[[Environment], Any]:
    """Return a scenario that creates a client with these options. None removes a default option."""
    return lambda env: type(env.client(**options)).__name__


def offering(options: Any) -> Callable[[Environment], Any]:
    """Return a scenario of ``get_offers`` with exactly these options."""
    return lambda env: env.client().get_offers(options(env) if callable(options) else options)


OPTIONS: Dict[str, Callable[[Environment], Any]] = {
    "of a client: none": lambda env: as_json(TargetClient.create()),
    "of a client: None": lambda env: as_json(TargetClient.create(None)),
    "of a client: an empty dict": lambda env: as_json(TargetClient.create({})),
    "of a client: no client": creating(client=None),
    "of a client: an empty client": creating(client=""),
    "of a client: no organization": creating(organization_id=None),
    "of a client: an empty organization": creating(organization_id=""),
    "of a client: another decisioning method": creating(decisioning_method="elsewhere"),
    "of a client: an Enum's member": creating(decisioning_method=DecisioningMethod.SERVER_SIDE),
    "of a client: an empty decisioning method": creating(decisioning_method=""),
    "of a client: a timeout of 0": creating(timeout=0),
    "of a client: made by its class": lambda env: type(TargetClient(env.options())).__name__,
    "of a client: made by its class, without options": lambda env: type(TargetClient()).__name__,
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
    "of get_offers: another decisioning method": lambda env: env.offers(decisioning_method="elsewhere"),
    "of get_offers: an Enum's member": lambda env: env.offers(decisioning_method=DecisioningMethod.SERVER_SIDE),
    "of get_offers: a callback that is not callable": lambda env: env.offers(callback="call me"),
    "of get_offers: an err_callback that is not callable": lambda env: env.offers(
        callback=print, err_callback="call me"
    ),
    "of send_notifications: an empty dict": lambda env: env.client().send_notifications({}),
    "of send_notifications: no notifications": lambda env: env.client().send_notifications(
        {"request": api.DeliveryRequest(context=api.Context(channel="web"))}
    ),
    "of send_notifications: a callback that is not callable": lambda env: env.notify(
        api.Notification(id="n", type="click", timestamp=1), callback=5
    ),
    "of get_attributes: request is a dict": lambda env: env.client().get_attributes(
        ["home"], {"request": {"execute": {"mboxes": [{"name": "home"}]}}}
    ),
    "of get_attributes: names are a text": lambda env: as_json(
        env.client().get_attributes("home", {"request": request()}).get_response()
    ),
    "of get_attributes: a callback that is not callable": lambda env: env.client().get_attributes(
        ["home"], {"request": request(), "callback": 5}
    ),
    "on-device without an artifact": lambda env: env.offers(
        client=env.client(
            decisioning_method="on-device",
            artifact_location=f"http://{env.edge}/nothing-here.json",
            target_location_hint="35",
            polling_interval=0,
        )
    ),
}


def taking(**options: Any) -> Callable[[Environment], Any]:
    """Return a scenario that calls ``get_offers`` of a client with these options."""
    return lambda env: env.offers(client=env.client(**options))


#: Values of an undocumented type or form.
UNUSUAL: Dict[str, Callable[[Environment], Any]] = {
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
    "customer_ids are a text": lambda env: env.offers(customer_ids="abc"),
}


def ready(handler: Callable[[Any], Any], **options: Any) -> Callable[[Environment], Any]:
    """Return a scenario of a client with a ``client_ready`` handler."""

    def scenario(env: Environment) -> Any:
        event_arguments: Any = []
        received = threading.Event()
        env.client(
            **options, events={"client_ready": handler(lambda *event: (event_arguments.extend(event), received.set()))}
        )
        received.wait(1)
        return {"called": received.is_set(), "given": event_arguments}

    return scenario


def without_parameter(tell: Any) -> Callable[[], Any]:
    """Return a handler without a parameter, as the documentation shows it (D7)."""

    def handler() -> None:
        tell()

    return handler


def config_afterwards(env: Environment) -> Any:
    """Return the values of the keys in ``CONFIG`` in the ``config`` of a client."""
    client = env.client(environment_id=7, property_token="tok", version="9", timeout=500)
    return {name: as_json(client.config.get(name)) for name in CONFIG}


CONFIG = (
    "client", "organization_id", "server_domain", "secure", "timeout", "environment_id", "property_token", "version",
    "decisioning_method", "internal", "target_location_hint", "nothing of ours",
)  # fmt: skip


def emit_events(env: Environment) -> Any:
    """Emit two events of the application; return those that its handler gets."""
    event_arguments: Any = []
    client = env.client(events={"mine": event_arguments.append})
    outcome(lambda: client.event_emitter("mine", {"a": 1}))
    outcome(lambda: client.event_emitter("yours", {"a": 1}))
    return event_arguments


EVENTS: Dict[str, Callable[[Environment], Any]] = {
    "client_ready": lambda env: env.event("client_ready"),
    "client_ready, to a handler without a parameter": ready(without_parameter),
    "client_ready, on-device": lambda env: env.event("client_ready", **downloading(env)),
    "artifact_download_succeeded": lambda env: env.event("artifact_download_succeeded", **downloading(env)),
    "artifact_download_failed": lambda env: env.event(
        "artifact_download_failed", **downloading(env, "nothing-here.json")
    ),
    "no subscriber": lambda env: type(env.client(events={})).__name__,
    "client.event_emitter": emit_events,
    "client.config": config_afterwards,
    "client.decisioning_engine": lambda env: env.client().decisioning_engine,
    "client.logger": lambda env: env.client().logger.name,
}


def downloading(env: Environment, path: str = "acmeclient/production/v1/rules.json") -> Dict[str, Any]:
    """Return the options of a client that downloads its artifact."""
    return {
        "decisioning_method": "on-device",
        "artifact_location": f"http://{env.edge}/{path}",
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
