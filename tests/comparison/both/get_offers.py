"""``get_offers`` of a server-side client: requests, cookies, sessions, ids, hints."""

import datetime
from typing import Any, Callable, Dict

from as_json import as_json, outcome
from environment import SESSION, Environment, Visitor, execute, mbox, request

import delivery_api_client as api

GLOBAL = "target-global-mbox"
TNT = "visitor-1.35_0"
HOME = api.NotificationMbox(name="home")
CLICK = api.Notification(id="n-1", type="click", timestamp=1700000000000, mbox=HOME)


def visitor(**ids: Any) -> Any:
    """Return ids of a visitor who is always in the same bucket."""
    return api.VisitorId(**{"tnt_id": TNT, **ids})


def details() -> Any:
    """Return the details of a page."""
    return api.RequestDetails(parameters={"page": "1"}, address=api.Address(url="https://example.com/"))


def page_load() -> Any:
    """Return an ``ExecuteRequest`` with a page load."""
    return api.ExecuteRequest(page_load=details())


def view() -> Any:
    """Return a view with all its fields."""
    return api.ViewRequest(name="checkout", key="k", parameters={"v": "1"})


def moment() -> datetime.datetime:
    """Return the time of an order."""
    return datetime.datetime(2020, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)


def order(**more: Any) -> Any:
    """Return an order with all its fields but the time."""
    ids = ["p-1", "p-2"]
    return api.Order(
        id="o-1", total=99.5, purchased_product_ids=ids, experience_local_id=0, duplicate=False, outlier=True, **more
    )


def fields() -> Dict[str, Any]:
    """Return all fields of an mbox but its name and index."""
    return {
        "address": api.Address(url="https://example.com/a?b=c", referring_url="https://example.com/"),
        "parameters": {"color": "blue", "user.age": "30", "ümlaut": "ja"},
        "profile_parameters": {"loyalty": "gold"},
        "order": order(),
        "product": api.Product(id="p-1", category_id="shoes"),
    }


def platform() -> Any:
    """Return a phone."""
    return api.MobilePlatform(
        device_name="Pixel",
        device_type=api.DeviceType.PHONE,
        platform_type=api.MobilePlatformType.ANDROID,
        version="14",
    )


def geo() -> Any:
    """Return geo values."""
    return api.Geo(
        ip_address="192.0.2.1", latitude=0, longitude=-122.4, country_code="US", state_code="CA", city="SF", zip="94107"
    )


def context() -> Any:
    """Return the context of a web page with most of its fields."""
    return api.Context(
        channel=api.ChannelType.WEB,
        application=api.Application(id="app", name="App", version="1.2"),
        screen=api.Screen(800, 600, 24, 2, api.ScreenOrientationType.LANDSCAPE),
        window=api.Window(width=640.5, height=480),
        browser=api.Browser(host="example.com", language="de", web_gl_renderer="r"),
        address=api.Address(url="https://example.com/", referring_url=""),
        user_agent="Mozilla/5.0",
        beacon=False,
    )


def qa_mode() -> Any:
    """Return QA mode with all its fields."""
    previews = [api.QAModePreviewIndex(activity_index=1, experience_index=2)]
    return api.QAMode("qa", True, [1, 2], [3], previews)


def cloud(logging: str) -> Any:
    """Return analytics with all its fields but the supplemental data id."""
    return api.ExperienceCloud(
        analytics=api.AnalyticsRequest(logging=logging, tracking_server="t.example", tracking_server_secure="s.example")
    )


def telemetry() -> Any:
    """Return telemetry of the application."""
    features = api.TelemetryFeatures(decisioning_method=api.DecisioningMethod.HYBRID)
    entry = api.TelemetryEntry(request_id="r", timestamp=1700000000000, execution=7, features=features)
    return api.Telemetry(entries=[entry])


def afterwards(env: Environment, delivery_request: Any) -> Any:
    """Return the caller's objects after a call."""
    options = {"request": delivery_request, "session_id": SESSION}
    envelope = env.client(property_token="tok").get_offers(options)
    return {
        "request": as_json(delivery_request),
        "options": sorted(options),
        "is the one sent": envelope["request"] is delivery_request,
    }


def shared_request(env: Environment) -> Any:
    """Use one request object with the cookies of two visitors."""
    delivery_request, client = request(), env.client()
    answers = [
        outcome(lambda each=each: env.offers(delivery_request, client, target_cookie=cookie(env, device=each)))
        for each in ("ada.35_0", "grace.37_0")
    ]
    return [as_json(answer)["request"]["id"] for answer in answers]


def twice(env: Environment) -> Any:
    """Call twice, the second time with the cookies of the first answer."""
    client = env.client()
    first = env.offers(client=client)
    second = client.get_offers(
        {
            "request": request(),
            "target_cookie": first["target_cookie"]["value"],
            "target_location_hint": first.get("target_location_hint_cookie", {}).get("value"),
        }
    )
    return [first, second]


def cookie(env: Environment, session: str = "cookie-session", device: str = TNT, ages: Any = (600, 6000)) -> str:
    """Return an mbox cookie whose parts expire after ``ages`` seconds."""
    return f"session#{session}#{env.now + ages[0]:.0f}|PC#{device}#{env.now + ages[1]:.0f}"


def with_cookie(value: Any, **options: Any) -> Callable[[Environment], Any]:
    """Return a scenario of a call with this cookie."""
    return lambda env: env.offers(target_cookie=value(env) if callable(value) else value, **options)


REQUESTS: Dict[str, Callable[[Environment], Any]] = {
    "one mbox, executed": lambda env: env.offers(),
    "a JSON offer": lambda env: env.offers(request(execute=execute(mbox("flags")))),
    "a redirect offer": lambda env: env.offers(request(execute=execute(mbox("elsewhere")))),
    "default content": lambda env: env.offers(request(execute=execute(mbox("default")))),
    "three mboxes, with indexes": lambda env: env.offers(
        request(execute=execute(mbox("home", index=3), mbox("flags", index=1), mbox("split", index=2)), id=visitor())
    ),
    "two mboxes, without indexes": lambda env: env.offers(
        request(execute=execute(mbox("home", index=None), mbox("flags", index=None)))
    ),
    "one mbox twice": lambda env: env.offers(request(execute=execute(mbox(index=0), mbox(index=1)))),
    "an unknown mbox": lambda env: env.offers(request(execute=execute(mbox("nowhere")))),
    "an mbox without a name": lambda env: env.offers(request(execute=execute(mbox(name=None), mbox("home")))),
    "None among the mboxes": lambda env: env.offers(request(execute=execute(mbox(), None))),
    "an mbox name beyond ASCII": lambda env: env.offers(request(execute=execute(mbox("Übersicht ☃ 😀")))),
    "no mboxes": lambda env: env.offers(request(execute=api.ExecuteRequest(mboxes=[]))),
    "nothing in execute": lambda env: env.offers(request(execute=api.ExecuteRequest())),
    "page load, executed": lambda env: env.offers(request(execute=page_load())),
    "mboxes, prefetched": lambda env: env.offers(request(prefetch=api.PrefetchRequest(mboxes=[mbox(), mbox("flags")]))),
    "views, prefetched": lambda env: env.offers(request(prefetch=api.PrefetchRequest(views=[api.ViewRequest()]))),
    "one view by its name and key": lambda env: env.offers(
        request(prefetch=api.PrefetchRequest(views=[api.ViewRequest(name="checkout", key="k")]))
    ),
    "page load, prefetched": lambda env: env.offers(
        request(prefetch=api.PrefetchRequest(page_load=api.RequestDetails(parameters={"a": "1"})))
    ),
    "everything at once": lambda env: env.offers(
        request(
            id=visitor(),
            execute=api.ExecuteRequest(page_load=details(), mboxes=[mbox("split", **fields())]),
            prefetch=api.PrefetchRequest(page_load=details(), mboxes=[mbox("home", **fields())], views=[view()]),
        )
    ),
    "an mbox with all its fields": lambda env: env.offers(request(execute=execute(mbox("home", **fields())))),
    "None inside parameters": lambda env: env.offers(request(execute=execute(mbox(parameters={"a": None, "b": ""})))),
    "a number inside parameters": lambda env: env.offers(request(execute=execute(mbox(parameters={"a": 1, "b": [2]})))),
    "an order with a time": lambda env: env.offers(request(execute=execute(mbox(order=order(time=moment()))))),
    "an order with a time without a zone": lambda env: env.offers(
        request(execute=execute(mbox(order=order(time=moment().replace(tzinfo=None)))))
    ),
    "a whole context": lambda env: env.offers(request(context=context())),
    "a context without its own channel": lambda env: env.offers(
        request(context=api.Context(channel=api.ChannelType.MOBILE, mobile_platform=platform()))
    ),
    "a time offset": lambda env: env.offers(
        request(context=api.Context(channel=api.ChannelType.WEB, time_offset_in_minutes=-480))
    ),
    "geo": lambda env: env.offers(request(context=api.Context(channel=api.ChannelType.WEB, geo=geo()))),
    "a beacon": lambda env: env.offers(request(context=api.Context(channel=api.ChannelType.WEB, beacon=True))),
    "a request without a context": lambda env: env.offers(api.DeliveryRequest(execute=execute())),
    "a request id": lambda env: env.offers(request(request_id="request-1", impression_id="impression-1")),
    "an impression id": lambda env: env.offers(request(impression_id="impression-1")),
    "environment, of the request": lambda env: env.offers(request(environment_id=7)),
    "environment, of the client": lambda env: env.offers(client=env.client(environment_id=8)),
    "environment, of both": lambda env: env.offers(request(environment_id=7), client=env.client(environment_id=8)),
    "property, of the request": lambda env: env.offers(request(_property=api.ModelProperty(token="tok-1"))),
    "property, of the client": lambda env: env.offers(client=env.client(property_token="tok-2")),
    "property, of both": lambda env: env.offers(
        request(_property=api.ModelProperty(token="tok-1")), client=env.client(property_token="tok-2")
    ),
    "trace": lambda env: env.offers(
        request(id=visitor(), trace=api.Trace(authorization_token="secret", usage={"a": "b"}))
    ),
    "preview": lambda env: env.offers(request(preview=api.Preview(token="preview-1"))),
    "QA mode": lambda env: env.offers(request(qa_mode=qa_mode())),
    "Analytics, client side": lambda env: env.offers(request(experience_cloud=cloud(api.LoggingType.CLIENT_SIDE))),
    "Analytics, server side": lambda env: env.offers(request(experience_cloud=cloud(api.LoggingType.SERVER_SIDE))),
    "a supplemental data id": lambda env: env.offers(
        request(experience_cloud=api.ExperienceCloud(analytics=api.AnalyticsRequest(supplemental_data_id="A" * 33)))
    ),
    "Audience Manager": lambda env: env.offers(
        request(experience_cloud=api.ExperienceCloud(audience_manager=api.AudienceManager(location_hint=9, blob="b")))
    ),
    "telemetry in the request": lambda env: env.offers(request(telemetry=telemetry())),
    "notifications in the request": lambda env: env.offers(
        request(execute=execute(), notifications=[CLICK])
    ),
    "option version": lambda env: env.offers(client=env.client(version="2.8.0")),
    "an unknown option": lambda env: env.offers(client=env.client(colour="red"), weather="fine"),
    "the request afterwards": lambda env: afterwards(env, request()),
    "one request for two visitors": shared_request,
    "two calls of one client": twice,
    "with callbacks": lambda env: env.call_with_callbacks(
        env.client().get_offers, {"request": request(), "session_id": SESSION}
    ),
    "with err_callback alone": lambda env: env.offers(err_callback=print),
    "a parameter that is no JSON": lambda env: env.offers(request(execute=execute(mbox(parameters={"a": {1}})))),
}


COOKIES: Dict[str, Callable[[Environment], Any]] = {
    "fresh": with_cookie(cookie),
    "fresh, and no session id": with_cookie(cookie, session_id=None),
    "session expired": with_cookie(lambda env: cookie(env, ages=(-60, 6000))),
    "session expired, and no session id": with_cookie(lambda env: cookie(env, ages=(-60, 6000)), session_id=None),
    "device expired": with_cookie(lambda env: cookie(env, ages=(600, -60))),
    "both expired": with_cookie(lambda env: cookie(env, ages=(-60, -60))),
    "session only": with_cookie(lambda env: f"session#alone#{env.now + 600:.0f}"),
    "device only": with_cookie(lambda env: f"PC#{TNT}#{env.now + 600:.0f}"),
    "with other parts": with_cookie(lambda env: f"check#true#{env.now + 60:.0f}|" + cookie(env)),
    "quoted": with_cookie(lambda env: cookie(env).replace("#", "%23").replace("|", "%7C")),
    "parts with percent-encoding": with_cookie(lambda env: cookie(env, session="a%20b%2Fc", device="d%20e.35_0")),
    "a slash in the session": with_cookie(lambda env: cookie(env, session="a/b")),
    "an age with a fraction": with_cookie(lambda env: "session#frac#4000000000.5|PC#dev.35_0#4000000000.5"),
    "an age that is no number": with_cookie("session#s#soon|PC#p.35_0#later"),
    "an age that is negative": with_cookie("session#s#-5|PC#p#-5"),
    "empty": with_cookie(""),
    "None": with_cookie(None),
    "a number": with_cookie(5),
    "garbage": with_cookie("||##|#|session|PC#|x#y#z#w"),
    "beyond ASCII": with_cookie(lambda env: cookie(env, session="sess-ü☃")),
    "a line break": with_cookie(lambda env: cookie(env, session="a\r\nX-Evil: 1")),
    "a NUL": with_cookie(lambda env: cookie(env, device="a\x00b.35_0")),
    "a session id of 200 characters": with_cookie(lambda env: cookie(env, session="s" * 200)),
    "a device id of 200 characters": with_cookie(lambda env: cookie(env, device="d" * 200 + ".35_0")),
    "a device without a cluster": with_cookie(lambda env: cookie(env, device="visitor-2")),
    "a device with another cluster": with_cookie(lambda env: cookie(env, device="visitor-2.28_1")),
    "a device that names a host": with_cookie(lambda env: cookie(env, device="v.evil.example/x?_0")),
    "a device, and another in the request": lambda env: env.offers(
        request(id=visitor(tnt_id="request-device.28_0")), target_cookie=cookie(env)
    ),
    "a part twice": with_cookie(lambda env: cookie(env) + "|" + cookie(env, session="second", device="second.37_0")),
}


def customer(name: str, state: str = api.AuthenticatedState.AUTHENTICATED) -> Any:
    """Return a customer id."""
    return api.CustomerId(id="id-" + name, integration_code="code-" + name, authenticated_state=state)


def consumer(env: Environment, **options: Any) -> Any:
    """Call with a visitor; return the envelope, and the consumer ids that the visitor received."""
    seen = Visitor(supplemental="B" * 33)
    return {"envelope": as_json(env.offers(visitor=seen, **options)), "asked for": seen.consumers}


def hint_afterwards(env: Environment) -> Any:
    """Return the hint in ``client.config`` after a call."""
    client = env.client()
    env.offers(client=client)
    return client.config.get("target_location_hint")


IDS: Dict[str, Callable[[Environment], Any]] = {
    "a session id": lambda env: env.offers(session_id="session-1"),
    "no session id": lambda env: env.offers(session_id=None),
    "an empty session id": lambda env: env.offers(session_id=""),
    "a session id with a space": lambda env: env.offers(session_id="a b/c?d"),
    "a session id of 129 letters": lambda env: env.offers(session_id="s" * 129),
    "a session id beyond ASCII": lambda env: env.offers(session_id="sess-ü"),
    "a tntId with a cluster": lambda env: env.offers(request(id=visitor())),
    "a tntId without a cluster": lambda env: env.offers(request(id=visitor(tnt_id="visitor-1"))),
    "a third party id": lambda env: env.offers(request(id=api.VisitorId(third_party_id="third-1"))),
    "a marketing cloud id": lambda env: env.offers(request(id=api.VisitorId(marketing_cloud_visitor_id="4" * 38))),
    "all ids": lambda env: env.offers(
        request(id=visitor(third_party_id="third-1", marketing_cloud_visitor_id="4" * 38, customer_ids=[customer("a")]))
    ),
    "customer ids of the request": lambda env: env.offers(
        request(id=api.VisitorId(customer_ids=[customer("a"), customer("b", api.AuthenticatedState.LOGGED_OUT)]))
    ),
    "customer ids of the call": lambda env: env.offers(customer_ids=[customer("a")]),
    "customer ids of both": lambda env: env.offers(
        request(id=api.VisitorId(customer_ids=[customer("a")])), customer_ids=[customer("b")]
    ),
    "a visitor without anything": lambda env: env.offers(visitor=Visitor()),
    "a visitor's values": lambda env: env.offers(
        visitor=Visitor({"MCMID": "5" * 38, "MCAAMLH": "9", "MCAAMB": "blob"}, {"a": {"b": 1}}, "B" * 33)
    ),
    "a visitor's values beside those of the request": lambda env: env.offers(
        request(
            id=api.VisitorId(marketing_cloud_visitor_id="4" * 38),
            experience_cloud=api.ExperienceCloud(audience_manager=api.AudienceManager(location_hint=3, blob="own")),
        ),
        visitor=Visitor({"MCMID": "5" * 38, "MCAAMLH": "9", "MCAAMB": "blob"}),
    ),
    "a visitor's customers": lambda env: env.offers(
        visitor=Visitor(state={"org": {"customer_ids": {"crm": {"id": "c-1", "auth_state": "1"}}}})
    ),
    "consumer id": lambda env: consumer(env, consumer_id="consumer-1"),
    "no consumer id": consumer,
    "a hint of the call": lambda env: env.offers(target_location_hint="28"),
    "a hint of the client": lambda env: env.offers(client=env.client(target_location_hint="28")),
    "a hint of both": lambda env: env.offers(client=env.client(target_location_hint="28"), target_location_hint="37"),
    "a hint, and a device of another cluster": lambda env: env.offers(
        target_location_hint="28", target_cookie=cookie(env)
    ),
    "a hint that names a host": lambda env: env.offers(target_location_hint="evil.example/x?"),
    "an empty hint": lambda env: env.offers(target_location_hint=""),
    "the hint afterwards": hint_afterwards,
}


SCENARIOS = {
    **REQUESTS,
    **{"cookie " + name: scenario for name, scenario in COOKIES.items()},
    **{"ids, " + name: scenario for name, scenario in IDS.items()},
}
