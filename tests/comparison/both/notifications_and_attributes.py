"""``send_notifications`` and ``get_attributes``."""

from typing import Any, Callable, Dict

from telling import outcome, told
from world import PATIENCE, SESSION, World, execute, mbox, request

import delivery_api_client as api

TIME = 1700000000000


def notification(**fields: Any) -> Any:
    """A good notification, with these fields changed."""
    return api.Notification(**{"id": "n-1", "type": api.MetricType.CLICK, "timestamp": TIME, **fields})


def shown(**fields: Any) -> Any:
    """A display of the mbox ``home``."""
    place = api.NotificationMbox(name="home", state="state")
    return notification(type=api.MetricType.DISPLAY, mbox=place, tokens=["t-1", "t-2"], **fields)


def prefetched(do: World) -> Any:
    """The tokens of prefetched options, sent back."""
    asked = request(prefetch=api.PrefetchRequest(mboxes=[mbox()]), id=api.VisitorId(tnt_id="visitor-1.35_0"))
    answer = do.offers(asked)
    option = answer["response"].prefetch.mboxes[0].options[0]
    return do.notify(shown(id="after-prefetch"), target_cookie=answer["target_cookie"]["value"]), option


NOTIFICATIONS: Dict[str, Callable[[World], Any]] = {
    "a click": lambda do: do.notify(notification(mbox=api.NotificationMbox(name="home"), tokens=["t"])),
    "a display": lambda do: do.notify(shown()),
    "a view": lambda do: do.notify(notification(view=api.NotificationView(name="checkout", key="k", state="s"))),
    "a page load": lambda do: do.notify(notification(page_load=api.NotificationPageLoad(state="s"))),
    "all fields": lambda do: do.notify(
        shown(
            impression_id="i-1",
            parameters={"a": "b"},
            profile_parameters={"c": "d"},
            order=api.Order(id="o", total=1.5),
            product=api.Product(id="p"),
            address=api.Address(url="https://example.com/"),
        )
    ),
    "several": lambda do: do.notify(notification(), shown(id="n-2"), notification(id="n-3")),
    "one without id": lambda do: do.notify(notification(id=None), notification(id="good")),
    "one without type": lambda do: do.notify(notification(type=None), notification(id="good")),
    "one without timestamp": lambda do: do.notify(notification(timestamp=None), notification(id="good")),
    "one with an empty id": lambda do: do.notify(notification(id=""), notification(id="good")),
    "one of another type": lambda do: do.notify(notification(type="hover"), notification(id="good")),
    "a timestamp of 0": lambda do: do.notify(notification(timestamp=0), notification(id="good")),
    "a negative timestamp": lambda do: do.notify(notification(timestamp=-5), notification(id="good")),
    "a timestamp as text": lambda do: do.notify(notification(timestamp=str(TIME)), notification(id="good")),
    "a timestamp with a fraction": lambda do: do.notify(notification(timestamp=TIME + 0.5)),
    "None among them": lambda do: do.notify(notification(), None),
    "only bad ones": lambda do: do.notify(notification(id=None)),
    "none at all": lambda do: do.notify(),
    "no request": lambda do: do.client().send_notifications({"request": None}),
    "no options": lambda do: do.client().send_notifications(None),
    "options of a client": lambda do: do.client(environment_id=5, property_token="tok").send_notifications(
        {"request": request(notifications=[shown()])}
    ),
    "a cookie and customers": lambda do: do.notify(
        shown(), target_cookie="PC#visitor-1.35_0#4000000000", session_id="own", target_location_hint="28"
    ),
    "with callbacks": lambda do: do.called_back(
        do.client().send_notifications, {"request": request(notifications=[shown()]), "session_id": SESSION}
    ),
    "a prefetch, then its display": prefetched,
}


def attributes(
    do: World, names: Any = ("flags",), asked: Any = None, client: Any = None, **options: Any
) -> Dict[str, Any]:
    """What an ``AttributesProvider`` gives, by all its methods."""
    options = {"request": request() if asked is None else asked, "session_id": SESSION, **options}
    return every_way((client or do.client()).get_attributes(list(names), options), names)


def every_way(provider: Any, names: Any) -> Dict[str, Any]:
    """All that is asked of a provider."""
    return {
        "as_object": {name: told(outcome(lambda name=name: provider.as_object(name))) for name in names},
        "as_object of all": told(outcome(provider.as_object)),
        "get_value": {name: told(outcome(lambda name=name: provider.get_value(name, "speed"))) for name in names},
        "get_value of a key nobody has": told(outcome(lambda: provider.get_value(names[0], "nobody"))),
        "get_value of an mbox nobody has": told(outcome(lambda: provider.get_value("nobody", "speed"))),
        "get_response": told(outcome(provider.get_response)),
    }


def without_request(do: World) -> Any:
    """Two calls without a request, and one with options but no request."""
    client = do.client()
    return [
        told(outcome(lambda: every_way(client.get_attributes(["flags"]), ["flags"]))),
        told(outcome(lambda: every_way(client.get_attributes(["more-flags"]), ["more-flags"]))),
        told(
            outcome(lambda: every_way(client.get_attributes(["flags"], {"session_id": "own"}), ["flags", "more-flags"]))
        ),
    ]


def called_back_twice(do: World) -> Any:
    """One dict of options, with a callback, for two calls."""
    given: Any = []
    client = do.client()
    options = {
        "request": request(execute=execute(mbox("flags"))),
        "session_id": SESSION,
        "callback": lambda provider: given.append(told(provider.as_object())),
    }
    ready = []
    for _ in range(2):
        result = client.get_attributes(["flags"], options)
        result.wait(1)
        ready.append(result.ready())
    return {"given": given, "ready": ready}


def with_callback(do: World) -> Any:
    """The provider that a callback is given."""
    given: Any = []
    client = do.client()
    options = {"request": request(), "session_id": SESSION, "callback": given.append}
    client.get_attributes(["flags"], options).wait(PATIENCE)
    return [every_way(provider, ["flags"]) for provider in given]


ATTRIBUTES: Dict[str, Callable[[World], Any]] = {
    "of one mbox": attributes,
    "of two": lambda do: attributes(do, ("flags", "more-flags")),
    "of one that is asked for already": lambda do: attributes(do, asked=request(execute=execute(mbox("flags")))),
    "of one that is prefetched": lambda do: attributes(
        do, asked=request(prefetch=api.PrefetchRequest(mboxes=[mbox("flags")]))
    ),
    "of one beside mboxes without index": lambda do: attributes(do, asked=request(execute=execute(mbox(index=None)))),
    "of one without JSON": lambda do: attributes(do, ("home",)),
    "of one nobody knows": lambda do: attributes(do, ("nowhere",)),
    "of none": lambda do: told(do.client().get_attributes([], {"request": request()}).as_object()),
    "of one that is default content": lambda do: attributes(do, ("default",)),
    "the caller's request afterwards": lambda do: told(
        [attributes(do, asked=asked) and asked for asked in [request(execute=execute(mbox("flags", index=7)))]]
    ),
    "with a callback": with_callback,
    "with a callback, twice": called_back_twice,
    # Last: 1.1.0 keeps these mboxes for the rest of the process (B22).
    "without a request": without_request,
}

SCENARIOS = {
    **{"notifications, " + name: scenario for name, scenario in NOTIFICATIONS.items()},
    **{"attributes, " + name: scenario for name, scenario in ATTRIBUTES.items()},
}
