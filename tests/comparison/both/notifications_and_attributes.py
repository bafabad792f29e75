"""``send_notifications`` and ``get_attributes``."""

from typing import Any, Callable, Dict

from as_json import as_json, outcome
from environment import PATIENCE, SESSION, Environment, execute, mbox, request

import delivery_api_client as api

TIME = 1700000000000


def notification(**fields: Any) -> Any:
    """Return a valid notification with these fields. Without a view or a page load, it is about the mbox ``home``."""
    if "view" not in fields and "page_load" not in fields:
        fields.setdefault("mbox", api.NotificationMbox(name="home"))
    return api.Notification(**{"id": "n-1", "type": api.MetricType.CLICK, "timestamp": TIME, **fields})


def display(**fields: Any) -> Any:
    """Return a notification that the mbox ``home`` was displayed."""
    place = api.NotificationMbox(name="home", state="state")
    return notification(type=api.MetricType.DISPLAY, mbox=place, tokens=["t-1", "t-2"], **fields)


def prefetch_and_notify(env: Environment) -> Any:
    """Prefetch, then report a display with the cookie of the answer; return the result and the prefetched option."""
    delivery_request = request(prefetch=api.PrefetchRequest(mboxes=[mbox()]), id=api.VisitorId(tnt_id="visitor-1.35_0"))
    answer = env.offers(delivery_request)
    option = answer["response"].prefetch.mboxes[0].options[0]
    return env.notify(display(id="after-prefetch"), target_cookie=answer["target_cookie"]["value"]), option


NOTIFICATIONS: Dict[str, Callable[[Environment], Any]] = {
    "a click": lambda env: env.notify(notification(mbox=api.NotificationMbox(name="home"), tokens=["t"])),
    "a display": lambda env: env.notify(display()),
    "a view": lambda env: env.notify(notification(view=api.NotificationView(name="checkout", key="k", state="s"))),
    "a page load": lambda env: env.notify(notification(page_load=api.NotificationPageLoad(state="s"))),
    "all fields": lambda env: env.notify(
        display(
            impression_id="i-1",
            parameters={"a": "b"},
            profile_parameters={"c": "d"},
            order=api.Order(id="o", total=1.5),
            product=api.Product(id="p"),
            address=api.Address(url="https://example.com/"),
        )
    ),
    "several": lambda env: env.notify(notification(), display(id="n-2"), notification(id="n-3")),
    "one without id": lambda env: env.notify(notification(id=None), notification(id="good")),
    "one without type": lambda env: env.notify(notification(type=None), notification(id="good")),
    "one without timestamp": lambda env: env.notify(notification(timestamp=None), notification(id="good")),
    "one with an empty id": lambda env: env.notify(notification(id=""), notification(id="good")),
    "one of another type": lambda env: env.notify(notification(type="hover"), notification(id="good")),
    "a timestamp of 0": lambda env: env.notify(notification(timestamp=0), notification(id="good")),
    "a negative timestamp": lambda env: env.notify(notification(timestamp=-5), notification(id="good")),
    "a timestamp as text": lambda env: env.notify(notification(timestamp=str(TIME)), notification(id="good")),
    "a timestamp with a fraction": lambda env: env.notify(notification(timestamp=TIME + 0.5)),
    "None among them": lambda env: env.notify(notification(), None),
    "only bad ones": lambda env: env.notify(notification(id=None)),
    "none at all": lambda env: env.notify(),
    "no request": lambda env: env.client().send_notifications({"request": None}),
    "no options": lambda env: env.client().send_notifications(None),
    "options of a client": lambda env: env.client(environment_id=5, property_token="tok").send_notifications(
        {"request": request(notifications=[display()])}
    ),
    "a cookie and customers": lambda env: env.notify(
        display(), target_cookie="PC#visitor-1.35_0#4000000000", session_id="own", target_location_hint="28"
    ),
    "with callbacks": lambda env: env.call_with_callbacks(
        env.client().send_notifications, {"request": request(notifications=[display()]), "session_id": SESSION}
    ),
    "a prefetch, then its display": prefetch_and_notify,
}


def attributes(
    env: Environment, names: Any = ("flags",), delivery_request: Any = None, client: Any = None, **options: Any
) -> Dict[str, Any]:
    """Call ``get_attributes``; return the results of all methods of its ``AttributesProvider``."""
    options = {"request": request() if delivery_request is None else delivery_request, "session_id": SESSION, **options}
    return results_of_methods((client or env.client()).get_attributes(list(names), options), names)


def results_of_methods(provider: Any, names: Any) -> Dict[str, Any]:
    """Return the results of all methods of a provider."""
    return {
        "as_object": {name: as_json(outcome(lambda name=name: provider.as_object(name))) for name in names},
        "as_object of all": as_json(outcome(provider.as_object)),
        "get_value": {name: as_json(outcome(lambda name=name: provider.get_value(name, "speed"))) for name in names},
        "get_value of an unknown key": as_json(outcome(lambda: provider.get_value(names[0], "nobody"))),
        "get_value of an unknown mbox": as_json(outcome(lambda: provider.get_value("nobody", "speed"))),
        "get_response": as_json(outcome(provider.get_response)),
    }


def request_afterwards(env: Environment) -> Any:
    """Call ``get_attributes``; return the caller's request after the call, in a list."""
    delivery_request = request(execute=execute(mbox("flags", index=7)))
    attributes(env, delivery_request=delivery_request)
    return as_json([delivery_request])


def without_request(env: Environment) -> Any:
    """Call ``get_attributes`` twice without options, then with options but without a request."""
    client = env.client()
    return [
        as_json(outcome(lambda: results_of_methods(client.get_attributes(["flags"]), ["flags"]))),
        as_json(outcome(lambda: results_of_methods(client.get_attributes(["more-flags"]), ["more-flags"]))),
        as_json(
            outcome(
                lambda: results_of_methods(
                    client.get_attributes(["flags"], {"session_id": "own"}), ["flags", "more-flags"]
                )
            )
        ),
    ]


def call_with_callback_twice(env: Environment) -> Any:
    """Use one dict of options, with a callback, for two calls."""
    providers: Any = []
    client = env.client()
    options = {
        "request": request(execute=execute(mbox("flags"))),
        "session_id": SESSION,
        "callback": lambda provider: providers.append(as_json(provider.as_object())),
    }
    ready = []
    for _ in range(2):
        result = client.get_attributes(["flags"], options)
        result.wait(1)
        ready.append(result.ready())
    return {"given": providers, "ready": ready}


def with_callback(env: Environment) -> Any:
    """Return the results of the provider that a callback gets."""
    providers: Any = []
    client = env.client()
    options = {"request": request(), "session_id": SESSION, "callback": providers.append}
    client.get_attributes(["flags"], options).wait(PATIENCE)
    return [results_of_methods(provider, ["flags"]) for provider in providers]


ATTRIBUTES: Dict[str, Callable[[Environment], Any]] = {
    "of one mbox": attributes,
    "of two": lambda env: attributes(env, ("flags", "more-flags")),
    "of one that is already requested": lambda env: attributes(
        env, delivery_request=request(execute=execute(mbox("flags")))
    ),
    "of one that is prefetched": lambda env: attributes(
        env, delivery_request=request(prefetch=api.PrefetchRequest(mboxes=[mbox("flags")]))
    ),
    "of one beside mboxes without index": lambda env: attributes(
        env, delivery_request=request(execute=execute(mbox(index=None)))
    ),
    "of one without JSON": lambda env: attributes(env, ("home",)),
    "of an unknown mbox": lambda env: attributes(env, ("nowhere",)),
    "of none": lambda env: as_json(env.client().get_attributes([], {"request": request()}).as_object()),
    "of one that is default content": lambda env: attributes(env, ("default",)),
    "the caller's request afterwards": request_afterwards,
    "with a callback": with_callback,
    "with a callback, twice": call_with_callback_twice,
    # Last, because 1.1.0 keeps these mboxes for the rest of the process (B22).
    "without a request": without_request,
}

SCENARIOS = {
    **{"notifications, " + name: scenario for name, scenario in NOTIFICATIONS.items()},
    **{"attributes, " + name: scenario for name, scenario in ATTRIBUTES.items()},
}
