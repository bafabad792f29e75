"""On-device and hybrid decisions, with a given artifact and with a downloaded one."""

import importlib
import time
from typing import Any, Callable, Dict

from as_json import as_json
from environment import ORGANIZATION, SESSION, Environment, Visitor, artifact, execute, mbox, request

import delivery_api_client as api

GLOBAL = "target-global-mbox"
HOME = api.NotificationMbox(name="home")
CLICK = api.Notification(id="n", type="click", timestamp=1700000000000, mbox=HOME)


def visitor(tnt_id: Any = "visitor-1.35_0", **ids: Any) -> Any:
    """Return a visitor whose id, and therefore bucket, is fixed."""
    return api.VisitorId(tnt_id=tnt_id, **ids)


def decision(request_fields: Any = None, client: Any = None, **options: Any) -> Callable[[Environment], Any]:
    """Return a scenario of an on-device decision. ``request_fields`` is a dict, or a function that returns one."""

    def scenario(env: Environment) -> Any:
        fields = {"id": visitor(), **((request_fields() if callable(request_fields) else request_fields) or {})}
        return env.offers(request(**fields), env.on_device(**(client or {})), **options)

    return scenario


def prefetch_fields(*mboxes: Any, **fields: Any) -> Callable[[], Dict[str, Any]]:
    """Return a function that returns the fields of a prefetch request."""
    return lambda: {"prefetch": api.PrefetchRequest(mboxes=list(mboxes) or None, **fields)}


def execute_fields(*mboxes: Any, **context: Any) -> Callable[[], Dict[str, Any]]:
    """Return a function that returns the fields of an execute request with this context."""
    context_fields = {"context": api.Context(channel=api.ChannelType.WEB, **context)} if context else {}
    return lambda: {"execute": execute(*mboxes), **context_fields}


def page(url: str) -> Any:
    """Return the keyword arguments of ``execute_fields`` for a page."""
    return {"address": api.Address(url=url)}


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"

ON_DEVICE: Dict[str, Callable[[Environment], Any]] = {
    "one mbox, prefetched": decision(prefetch_fields(mbox())),
    "JSON, prefetched": decision(prefetch_fields(mbox("flags"))),
    "two mboxes, prefetched": decision(prefetch_fields(mbox(index=1), mbox("flags", index=2))),
    "mboxes without index": decision(prefetch_fields(mbox(index=None), mbox("flags", index=None))),
    "half of the visitors, visitor-1": decision(prefetch_fields(mbox("split"))),
    "half of the visitors, visitor-2": decision(
        lambda: {**prefetch_fields(mbox("split"))(), "id": visitor("visitor-2")}
    ),
    "half of the visitors, by third party id": decision(
        lambda: {**prefetch_fields(mbox("split"))(), "id": visitor(None, third_party_id="third-1")}
    ),
    "half of the visitors, by marketing cloud id": decision(
        lambda: {**prefetch_fields(mbox("split"))(), "id": visitor(None, marketing_cloud_visitor_id="4" * 38)}
    ),
    "half of the visitors, by cookie": decision(
        lambda: {**prefetch_fields(mbox("split"))(), "id": None}, target_cookie="PC#visitor-1.35_0#4000000000"
    ),
    "no visitor id": decision(lambda: {**prefetch_fields(mbox())(), "id": None}),
    "one mbox, executed": decision(execute_fields(mbox())),
    "two mboxes, executed": decision(execute_fields(mbox(index=1), mbox("flags", index=2))),
    "page load, executed": decision(lambda: {"execute": api.ExecuteRequest(page_load=api.RequestDetails())}),
    "page load, prefetched": decision(prefetch_fields(page_load=api.RequestDetails())),
    "views, prefetched": decision(prefetch_fields(views=[api.ViewRequest()])),
    "one view": decision(prefetch_fields(views=[api.ViewRequest(name="checkout")])),
    "a remote view": decision(prefetch_fields(views=[api.ViewRequest(name="account")])),
    "an unknown mbox": decision(prefetch_fields(mbox("nowhere"))),
    "an unknown mbox, executed": decision(execute_fields(mbox("nowhere"))),
    "a remote mbox": decision(prefetch_fields(mbox("loyalty"))),
    "the global mbox by its name": decision(execute_fields(mbox(GLOBAL))),
    "default content, prefetched": decision(prefetch_fields(mbox("default"))),
    "default content, executed": decision(execute_fields(mbox("default"))),
    "empty content, executed": decision(execute_fields(mbox("empty"))),
    "click metrics, executed": decision(execute_fields(mbox("metrics"))),
    "click metrics, prefetched": decision(prefetch_fields(mbox("metrics"))),
    "display metrics, executed": decision(execute_fields(mbox("displays"))),
    "macros": decision(prefetch_fields(mbox("macros", parameters={"color": "blue"}))),
    "no macros in the parameters": decision(prefetch_fields(mbox("macros"))),
    "a browser's audience": decision(execute_fields(mbox("firefox"), user_agent=FIREFOX)),
    "outside a browser's audience": decision(execute_fields(mbox("firefox"), user_agent=CHROME)),
    "a platform's audience": decision(execute_fields(mbox("linux"), user_agent=FIREFOX)),
    "a page's audience": decision(execute_fields(mbox("path"), **page("https://shop.example.com/Products/a?b=c#d"))),
    "outside a page's audience": decision(execute_fields(mbox("path"), **page("https://shop.example.com/"))),
    "a parameter's audience": decision(prefetch_fields(mbox("color", parameters={"color": "BLUE"}))),
    "outside a parameter's audience": decision(prefetch_fields(mbox("color", parameters={"color": "red"}))),
    "a parameter that is missing": decision(prefetch_fields(mbox("color"))),
    "a number's audience": decision(prefetch_fields(mbox("age", parameters={"age": "18"}))),
    "outside a number's audience": decision(prefetch_fields(mbox("age", parameters={"age": "17"}))),
    "text that is not a number": decision(prefetch_fields(mbox("age", parameters={"age": "old"}))),
    "a property's rule": decision(prefetch_fields(mbox("ours-only")), {"property_token": "tok-1"}),
    "another property's rule": decision(prefetch_fields(mbox("ours-only")), {"property_token": "tok-9"}),
    "a property's rule, without a property": decision(prefetch_fields(mbox("ours-only"))),
    "two properties": decision(
        lambda: {**prefetch_fields(mbox("ours-only"))(), "_property": api.ModelProperty(token="tok-1")},
        {"property_token": "tok-9"},
    ),
    "a request id": decision(lambda: {**prefetch_fields(mbox())(), "request_id": "request-1"}),
    "an artifact without response tokens": decision(
        prefetch_fields(mbox()), {"artifact_payload": artifact(responseTokens=[])}
    ),
    "a trace, prefetched": decision(
        lambda: {**prefetch_fields(mbox())(), "trace": api.Trace(authorization_token="secret")},
    ),
    "a trace, executed": decision(lambda: {"execute": execute(), "trace": api.Trace(authorization_token="secret")}),
    "a visitor's state": decision(prefetch_fields(mbox()), visitor=Visitor({"MCMID": "5" * 38}, {"a": 1})),
    "an artifact of another version": decision(
        prefetch_fields(mbox()), {"artifact_payload": artifact(version="2.0.0")}
    ),
    "attributes": lambda env: as_json(
        env.on_device().get_attributes(["flags"], {"request": request(id=visitor()), "session_id": SESSION}).as_object()
    ),
    "attributes of an unknown mbox": lambda env: as_json(
        {"all": env.on_device().get_attributes(["nowhere"], {"request": request(id=visitor())}).as_object()}
    ),
    "notifications go to the edge": lambda env: env.on_device().send_notifications(
        {
            "request": request(notifications=[CLICK]),
            "session_id": SESSION,
        }
    ),
    "with callbacks": lambda env: env.call_with_callbacks(
        env.on_device().get_offers,
        {"request": request(id=visitor(), **prefetch_fields(mbox())()), "session_id": SESSION},
    ),
    "server-side for one call": lambda env: env.offers(
        request(id=visitor()), env.on_device(), decisioning_method="server-side"
    ),
    "telemetry on": lambda env: [
        env.offers(request(id=visitor(), **prefetch_fields(mbox())()), env.on_device(telemetry_enabled=True))["meta"],
    ],
    "a server-side client, on-device for one call": lambda env: env.offers(decisioning_method="on-device"),
    "downloaded": lambda env: env.offers(request(id=visitor(), **prefetch_fields(mbox())()), downloading_client(env)),
    "downloaded, with a remote mbox": lambda env: env.offers(
        request(id=visitor(), **prefetch_fields(mbox(index=1), mbox("loyalty", index=2))()), downloading_client(env)
    ),
    "a failing geo lookup": decision(
        prefetch_fields(mbox()),
        {"artifact_payload": artifact(geoTargetingEnabled=True), "cdn_base_path": "127.0.0.1:9"},
    ),
    "a maximum_wait_ready that is negative": decision(prefetch_fields(mbox()), {"maximum_wait_ready": -1}),
    "a polling_interval as text": decision(prefetch_fields(mbox()), {"polling_interval": "300"}),
    "without a hint": lambda env: env.offers(
        request(id=visitor(), **prefetch_fields(mbox())()), client_after_its_start(env)
    ),
}


def client_after_its_start(env: Environment) -> Any:
    """Create a client, and give it time to request its location hint."""
    client = env.on_device(target_location_hint=None)
    time.sleep(0.3)
    return client


def downloading_client(env: Environment, method: str = "on-device") -> Any:
    """Create a client that downloads the artifact of the edge."""
    return env.client(
        decisioning_method=method,
        artifact_location=location(env),
        target_location_hint="35",
        telemetry_enabled=False,
        polling_interval=0,
    )


def hybrid(delivery_request: Any, **options: Any) -> Callable[[Environment], Any]:
    """Return a scenario that calls ``get_offers`` of a hybrid client."""
    return lambda env: env.offers(
        request(id=visitor(), **delivery_request()), env.on_device(decisioning_method="hybrid"), **options
    )


HYBRID: Dict[str, Callable[[Environment], Any]] = {
    "a local mbox": hybrid(prefetch_fields(mbox())),
    "a local mbox, executed": hybrid(execute_fields(mbox())),
    "a remote mbox": hybrid(prefetch_fields(mbox("loyalty"))),
    "a local and a remote mbox": hybrid(execute_fields(mbox(index=1), mbox("loyalty", index=2))),
    "an unknown mbox": hybrid(prefetch_fields(mbox("nowhere"))),
    "a local view": hybrid(prefetch_fields(views=[api.ViewRequest(name="checkout")])),
    "a remote view": hybrid(prefetch_fields(views=[api.ViewRequest(name="account")])),
    "all views": hybrid(prefetch_fields(views=[api.ViewRequest()])),
    "page load": hybrid(lambda: {"execute": api.ExecuteRequest(page_load=api.RequestDetails())}),
    "on-device for one call": hybrid(prefetch_fields(mbox("loyalty")), decisioning_method="on-device"),
    "a server-side client, hybrid for one call": lambda env: env.offers(decisioning_method="hybrid"),
    "attributes of a remote mbox": lambda env: as_json(
        env.on_device(decisioning_method="hybrid")
        .get_attributes(["loyalty"], {"request": request(id=visitor()), "session_id": SESSION})
        .get_response()
    ),
}


#: Seconds after which a download would have replaced the given artifact.
A_WHILE = 1.5


def with_default_interval(seconds: float) -> Callable[[Environment], Any]:
    """Return a scenario that decides after ``seconds``, with a given artifact and the default ``polling_interval``."""

    def scenario(env: Environment) -> Any:
        client = env.on_device(polling_interval=None, artifact_location=location(env))
        time.sleep(seconds)
        return env.offers(request(id=visitor(), **prefetch_fields(mbox())()), client)

    return scenario


def events_with_default_interval(env: Environment) -> Any:
    """Return the types of the artifact events that a client with the default ``polling_interval`` emits."""
    event_types: Any = []
    names = ("artifact_download_succeeded", "artifact_download_failed")
    events = {name: lambda event: event_types.append(event["type"]) for name in names}
    env.on_device(polling_interval=None, artifact_location=location(env), events=events)
    time.sleep(A_WHILE)
    return event_types


def location(env: Environment) -> str:
    """Return the URL of the artifact."""
    return f"http://{env.edge}/acmeclient/production/v1/rules.json"


def stand_alone_with_default_interval(env: Environment) -> Any:
    """Decide with the engine alone, without a client, and with the default ``polling_interval``."""
    package = importlib.import_module("target_decisioning_engine")
    configs = importlib.import_module("target_decisioning_engine.types.decisioning_config")
    requests = importlib.import_module("target_decisioning_engine.types.target_delivery_request")
    config = configs.DecisioningConfig(
        client="acmeclient",
        organization_id=ORGANIZATION,
        artifact_payload=artifact(),
        artifact_location=location(env),
    )
    engine = package.TargetDecisioningEngine(config)
    engine.initialize()
    time.sleep(A_WHILE)
    delivery_request = request(id=visitor(), **prefetch_fields(mbox())())
    answer = engine.get_offers(requests.TargetDeliveryRequest(request=delivery_request, session_id=SESSION))
    artifacts = engine.get_raw_artifact() == artifact()
    engine.stop_polling()
    return {"answer": as_json(answer), "artifact": artifacts}


def stand_alone(env: Environment) -> Any:
    """Use the engine without a client."""
    package = importlib.import_module("target_decisioning_engine")
    configs = importlib.import_module("target_decisioning_engine.types.decisioning_config")
    requests = importlib.import_module("target_decisioning_engine.types.target_delivery_request")
    config = configs.DecisioningConfig(
        client="acmeclient", organization_id=ORGANIZATION, polling_interval=0, artifact_payload=artifact()
    )
    engine = package.TargetDecisioningEngine(config)
    engine.initialize()
    delivery_request = request(id=visitor(), **prefetch_fields(mbox(), mbox("flags", index=2))())
    answer = engine.get_offers(requests.TargetDeliveryRequest(request=delivery_request, session_id=SESSION))
    return {
        "ready": engine.is_ready(),
        "answer": as_json(answer),
        "remote": engine.has_remote_dependency(request(**prefetch_fields(mbox("loyalty"))())),
        "not remote": engine.has_remote_dependency(request(**prefetch_fields(mbox())())),
        "artifact": engine.get_raw_artifact() == artifact(),
        "stop": as_json(engine.stop_polling()),
    }


SCENARIOS = {
    **{"on-device, " + name: scenario for name, scenario in ON_DEVICE.items()},
    **{"hybrid, " + name: scenario for name, scenario in HYBRID.items()},
    "on-device, default polling interval": with_default_interval(0),
    "on-device, default polling interval, after a while": with_default_interval(A_WHILE),
    "on-device, default polling interval, events": events_with_default_interval,
    "the engine alone": stand_alone,
    "the engine alone, default polling interval": stand_alone_with_default_interval,
}
