"""Valid uses of the SDK, for mypy and pyright. Never executed."""

import asyncio
import copy
import datetime
import enum
import multiprocessing
import pickle
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import urllib3
from typing_extensions import assert_type

import delivery_api_client
import target_python_sdk.types
from delivery_api_client.api.delivery_api import DeliveryApi
from target_decisioning_engine import TargetDecisioningEngine
from target_decisioning_engine.types.decisioning_config import DecisioningConfig
from target_decisioning_engine.types.target_delivery_request import TargetDeliveryRequest
from target_python_sdk import (
    AsyncResult,
    AttributesCallbackOptions,
    AttributesOptions,
    AttributesProvider,
    CallbackOptions,
    CallOptions,
    ClientOptions,
    ClientStats,
    ExperienceCloudVisitor,
    Observed,
    Offer,
    TargetClient,
    TargetDeliveryResponse,
    errors,
)
from target_python_sdk.analytics import data_insertion_url
from target_python_sdk.cookies import TARGET_COOKIE
from target_python_sdk.explain import Explanation
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import (
    Connection,
    FakeTargetClient,
    SocketServer,
    make_answer,
    make_artifact,
    response,
)
from target_python_sdk.types import (
    AnalyticsResponse,
    AuthenticatedState,
    ChannelType,
    Context,
    CustomerId,
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    Geo,
    MboxRequest,
    MboxResponse,
    MetricType,
    Notification,
    NotificationMbox,
    Option,
    Order,
    PrefetchRequest,
    RequestDetails,
    TargetCookie,
    ViewRequest,
    VisitorId,
)
from target_tools.enums import DecisioningMethod
from target_tools.utils import get_epoch_time_milliseconds


class Channel(enum.Enum):
    """An enumeration of the application."""

    WEB = "web"


# Clients


def without_parameter() -> None:
    """A subscriber without a parameter, as in most examples."""


def with_event(event: Dict[str, Any]) -> None:
    """A subscriber with a parameter."""


def audit(observed: Observed) -> None:
    assert_type(observed.offers, Tuple[Offer, ...])
    assert_type(observed.error, Optional[BaseException])


def clients() -> None:
    """Options as a literal, as a typed dict, and most options at once."""
    least = TargetClient.create({"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"})
    assert_type(least, TargetClient)
    least.close()

    options: ClientOptions = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg", "timeout": 500}
    options["events"] = {"client_ready": without_parameter, "another": with_event}
    with TargetClient.create(options) as client:
        assert_type(client, TargetClient)
        assert_type(client.stats(), ClientStats)
        assert_type(client.flush(), bool)
        assert_type(client.flush(500), bool)
        assert_type(client.flush(timeout=None), bool)
        assert_type(client.close(250.5), bool)
        assert_type(client.close(timeout=None), bool)
        assert_type(copy.copy(client), TargetClient)
        assert_type(copy.deepcopy(client), TargetClient)
        assert_type(pickle.dumps(client), bytes)

    TargetClient.create(
        {
            "client": "acmeclient",
            "organization_id": "1234567890@AdobeOrg",
            "timeout": 3000,
            "server_domain": "localhost:8080",
            "secure": False,
            "logger": None,
            "log_payloads": True,
            "target_location_hint": "35",
            "property_token": "token",
            "environment_id": 1,
            "version": "2.3.0",
            "decisioning_method": DecisioningMethod.SERVER_SIDE,
            "events": {},
            "observers": [print, audit],
            "telemetry_enabled": False,
            "retries": 1,
            "pool_manager": urllib3.PoolManager(),
            "proxy": "http://proxy.example:3128",
            "proxy_headers": {"X-Team": "web"},
            "trust_env": True,
            "verify_ssl": True,
            "ca_certs": "authorities.pem",
            "client_cert": ("certificate.pem", "key.pem", "password"),
            "headers": {"X-Api-Key": "key"},
            "max_connections": 16,
            "keep_alive": 30000,
            "artifact_bypass_cache": True,
            "max_response_bytes": {"delivery": 1 << 20},
            "polling_interval": 300000,
            "artifact_payload": {"version": "1.0.0"},
            "on_device_all_matching_rules_mboxes": ["all-of-them"],
            "escape_macros": True,
            "max_workers": 8,
            "max_pending": 100,
            "queue_timeout": 5000,
            "shutdown_timeout": 0,
            "circuit_breaker": False,
            "on_error": "raise",
        }
    )
    options["circuit_breaker"] = {"failures": 3, "cooldown": 500}
    options["on_error"] = "default"
    options["headers"] = lambda request: {"X-Method": request.method}
    options["client_cert"] = "client.pem"


def names_on_the_class() -> None:
    """Cookie names and states."""
    assert_type(TargetClient.get_visitor_cookie_name("1234567890@AdobeOrg"), str)
    cookies: List[str] = [TargetClient.TargetCookieName, TargetClient.TargetLocationHintCookieName]
    states: List[int] = [TargetClient.AuthState.AUTHENTICATED, TargetClient.AuthState.LOGGED_OUT]
    assert cookies and states


# Calls


def calls(client: TargetClient, request: DeliveryRequest) -> None:
    """Calls with only the request, and with every option."""
    assert_type(client.get_offers({"request": request}), TargetDeliveryResponse)

    every: CallOptions = {
        "request": request,
        "target_cookie": "session#a#1",
        "target_location_hint": b"35",
        "consumer_id": "cart",
        "customer_ids": [CustomerId(id="1", integration_code="crm")],
        "session_id": "a",
        "visitor": None,
        "visitor_cookie": None,
        "decisioning_method": "server-side",
        "timeout": 200,
        "callback": None,
        "err_callback": None,
    }
    assert_type(client.get_offers(every), TargetDeliveryResponse)
    assert_type(client.get_offers({"request": request, "err_callback": on_error}), TargetDeliveryResponse)
    assert_type(client.send_notifications({"request": request}), TargetDeliveryResponse)
    client.get_offers({"request": request, "customer_ids": {"crm": {"id": "1", "authState": 1}}})

    why = client.explain(every, "hero", "cart")
    assert_type(why, Explanation)
    assert_type(client.explain({"request": request}).rules[0].clauses[0].held, bool)
    unchecked: Dict[str, Any] = {"request": request}
    assert_type(client.explain(unchecked, "hero"), Explanation)
    assert_type(client.explain({"request": request}, "hero", timeout=200), Explanation)
    assert_type(client.explain(request=request), Explanation)


def experience_cloud(client: TargetClient, request: DeliveryRequest) -> None:
    """A visitor for several calls, and the URL for Analytics."""
    visitor = ExperienceCloudVisitor("1234567890@AdobeOrg", b"MCMID|1", {"crm": "1"}, {})
    answer = client.get_offers(request=request, visitor=visitor, consumer_id="hero")
    assert_type(visitor.experience_cloud_id, Optional[str])
    assert_type(visitor.get_supplemental_data_id("hero"), str)
    assert_type(visitor.get_state(), Dict[str, Any])
    assert_type(data_insertion_url(answer, "suite", parameters={"pageName": "Home"}), Optional[str])


# Callbacks


def on_envelope(envelope: TargetDeliveryResponse) -> None:
    """A callback with an annotated parameter."""


def on_attributes(provider: AttributesProvider) -> str:
    """A callback of ``get_attributes``. The return value is ignored."""
    return provider.get_value("demo-engineering-flags", "cdnHostname") or ""


def on_error(error: BaseException) -> None:
    """An error callback."""


class Page:
    """A bound method and a callable object can also be callbacks."""

    def show(self, envelope: TargetDeliveryResponse) -> None:
        """A bound method."""

    def __call__(self, envelope: Any) -> None:
        """The object itself."""


def callbacks(client: TargetClient, request: DeliveryRequest) -> None:
    """With a callback, a call returns an ``AsyncResult``."""
    result = client.get_offers({"request": request, "callback": on_envelope})
    assert_type(result, AsyncResult[TargetDeliveryResponse])
    assert_type(result.get(), TargetDeliveryResponse)
    assert_type(result.get(0.5), TargetDeliveryResponse)
    assert_type(result.get(timeout=None), TargetDeliveryResponse)
    result.wait()
    result.wait(1)
    assert_type(result.ready(), bool)
    assert_type(result.successful(), bool)

    seen: List[TargetDeliveryResponse] = []
    page = Page()
    loop = asyncio.new_event_loop()
    client.get_offers({"request": request, "callback": seen.append, "err_callback": on_error})
    client.get_offers({"request": request, "callback": print, "err_callback": print})
    client.get_offers({"request": request, "callback": page, "err_callback": None})
    client.get_offers({"request": request, "callback": page.show})
    client.get_offers({"request": request, "callback": lambda envelope: envelope.response})
    client.get_offers({"request": request, "callback": lambda envelope: loop.call_soon_threadsafe(print, envelope)})
    client.get_offers({"request": request, "callback": lambda envelope: seen.append(envelope)})  # noqa: PLW0108
    assert_type(client.get_offers(request=request, callback=seen.append), AsyncResult[TargetDeliveryResponse])
    assert_type(client.get_offers({"request": request}, callback=print), AsyncResult[TargetDeliveryResponse])
    client.get_offers(request=request, callback=lambda envelope: {"status": envelope.response.status})
    client.get_offers(request=request, callback=lambda envelope: envelope.offer("a").html)
    client.get_offers(request=request, callback=page, err_callback=lambda error: [error])

    options: CallbackOptions = {"request": request, "callback": on_envelope, "err_callback": None, "timeout": 200}
    assert_type(client.get_offers(options), AsyncResult[TargetDeliveryResponse])
    assert_type(client.send_notifications(options), AsyncResult[TargetDeliveryResponse])
    assert_type(
        client.send_notifications({"request": request, "callback": on_envelope, "err_callback": on_error}),
        AsyncResult[TargetDeliveryResponse],
    )


def callbacks_of_attributes(client: TargetClient, request: DeliveryRequest) -> None:
    """The result contains an ``AttributesProvider``. The request is optional."""
    result = client.get_attributes(["a"], {"callback": on_attributes})
    assert_type(result, AsyncResult[AttributesProvider])
    assert_type(result.get(1.5), AttributesProvider)
    options: AttributesCallbackOptions = {"callback": on_attributes, "err_callback": on_error, "request": request}
    assert_type(client.get_attributes(["a"], options), AsyncResult[AttributesProvider])


# Awaiting


async def awaited_life(options: ClientOptions, checked: Dict[str, Any]) -> None:
    """A client that is created, flushed and closed under asyncio."""
    client = await TargetClient.create_async(options)
    assert_type(client, TargetClient)
    assert_type(await client.flush_async(500), bool)
    assert_type(await client.close_async(timeout=None), bool)

    async with TargetClient.create_async(checked, timeout=500) as one, client as same:
        assert_type(one, TargetClient)
        assert_type(same, TargetClient)
    async with await TargetClient.create_async(client="acmeclient", organization_id="1@AdobeOrg") as another:
        assert_type(another, TargetClient)
    assert_type(await asyncio.create_task(TargetClient.create_async(options)), TargetClient)
    assert_type(await asyncio.wait_for(TargetClient.create_async(options), 1), TargetClient)


async def awaited(client: TargetClient, request: DeliveryRequest) -> None:
    """The ``_async`` calls, an ``AsyncResult``, and both in asyncio's functions."""
    assert_type(await client.get_offers_async({"request": request}), TargetDeliveryResponse)
    assert_type(await client.send_notifications_async({"request": request, "timeout": 200}), TargetDeliveryResponse)
    assert_type(await client.get_attributes_async(["a"]), AttributesProvider)
    assert_type(await client.get_attributes_async(["a"], {"request": request}), AttributesProvider)
    assert_type(await client.get_offers({"request": request, "callback": on_envelope}), TargetDeliveryResponse)
    await asyncio.wait_for(client.get_offers_async({"request": request}), 1)
    both = await asyncio.gather(client.get_offers_async({"request": request}), client.get_attributes_async(["a"]))
    assert_type(both[0], TargetDeliveryResponse)
    assert_type(both[1], AttributesProvider)
    task = asyncio.ensure_future(client.get_offers_async({"request": request}))
    task.cancel()


def attributes(client: TargetClient, request: DeliveryRequest) -> None:
    """Calls without options, with options, and with options that have no request."""
    provider = client.get_attributes(["demo-engineering-flags"])
    assert_type(provider, AttributesProvider)
    assert_type(provider.get_value("demo-engineering-flags", "searchProviderId"), Any)
    assert_type(provider.as_object("demo-engineering-flags"), Dict[str, Any])
    client.get_attributes(("a", "b"), {"request": request})
    options: AttributesOptions = {"session_id": "a"}
    client.get_attributes(["a"], options)


def envelope(answer: TargetDeliveryResponse) -> None:
    """An envelope as a dict and with attributes, both typed."""
    assert_type(answer["response"], DeliveryResponse)
    assert_type(answer["request"].id, VisitorId)
    assert_type(answer["target_cookie"]["value"], str)
    assert_type(answer["target_location_hint_cookie"]["maxAge"], int)
    assert_type(answer["analytics_details"], List[AnalyticsResponse])
    assert_type(answer["trace"], List[Dict[str, Any]])
    assert_type(answer["response_tokens"], List[Dict[str, Any]])
    assert_type(answer["meta"]["remote_mboxes"], List[str])
    assert_type(answer["visitor_state"], Any)
    for key in answer:
        assert_type(answer[key], Any)
    assert_type(answer.get("trace"), Optional[Any])
    assert_type(answer.response, DeliveryResponse)
    assert_type(answer.request.id, VisitorId)
    request: DeliveryRequest = answer.request
    answer.request = request
    assert_type(answer.target_cookie, TargetCookie)
    assert_type(answer.response_tokens, Optional[List[Dict[str, Any]]])
    assert_type(answer.session_id, Optional[str])
    assert_type(answer.error, Optional[Exception])
    if answer.target_cookie is not None:
        assert_type(answer.target_cookie["maxAge"], int)
        assert_type(answer.target_cookie["max_age"], int)
    if answer.meta is not None:
        assert_type(answer.meta["remote_mboxes"], List[str])


def offers(response: DeliveryResponse) -> None:
    """An answer, down to the content of an option."""
    if response.execute is not None:
        assert_type(response.execute.mboxes, Optional[List[MboxResponse]])
        for mbox in response.execute.mboxes or []:
            assert_type(mbox.name, Optional[str])
            assert_type(mbox.options, Optional[List[Option]])


# Wire types


def wire_types() -> DeliveryRequest:
    """Models by keyword, by position in 1.1.0's order, and with attributes that are set later."""
    visitor = VisitorId("tnt.35_0", third_party_id="B234A029348")
    context = Context(channel=ChannelType.WEB, geo=Geo(city="Berlin", latitude=52.5))
    Context(channel="web")
    Context(channel=Channel.WEB)
    execute = ExecuteRequest(
        page_load=RequestDetails(parameters={"a": "1"}),
        mboxes=[MboxRequest(name="a1-serverside-ab", index=1, order=Order(time=datetime.datetime.now()))],
    )
    request = DeliveryRequest(id=visitor, context=context, execute=execute)
    request.prefetch = PrefetchRequest(views=[ViewRequest(name="checkout")], mboxes=None)
    request.notifications = [
        Notification(
            id="1",
            type=MetricType.DISPLAY,
            timestamp=1700000000000,
            mbox=NotificationMbox(name="a1-serverside-ab", state=None),
            tokens=["token"],
        )
    ]
    request.id = VisitorId(
        customer_ids=[CustomerId("1", "crm", AuthenticatedState.AUTHENTICATED)],
    )
    assert_type(request.execute, Optional[ExecuteRequest])
    return request


def to_and_from_the_wire(request: DeliveryRequest) -> None:
    """Models as dicts and as text."""
    assert_type(request.to_dict(), Dict[str, Any])
    assert_type(request.to_dict(by_alias=True, exclude_none=True), Dict[str, Any])
    assert_type(request.to_str(), str)
    assert_type(DeliveryRequest.from_dict({"context": {"channel": "web"}}), DeliveryRequest)


def old_names(request: delivery_api_client.DeliveryRequest) -> target_python_sdk.types.DeliveryRequest:
    """1.1.0's import path has the same classes."""
    return request


def old_client(request: delivery_api_client.DeliveryRequest) -> Optional[delivery_api_client.DeliveryResponse]:
    """1.1.0's generated client, from the package and from its modules."""
    configuration = delivery_api_client.Configuration(host="https://acmeclient.tt.omtrdc.net")
    with delivery_api_client.ApiClient(configuration) as api_client:
        assert_type(api_client.default_headers, Dict[str, str])
        answered = DeliveryApi(api_client).execute("1234567890@AdobeOrg", "session", request)
    return answered if isinstance(answered, DeliveryResponse) else None


def old_engine(request: DeliveryRequest) -> Sequence[str]:
    """1.1.0's engine, without a client."""
    config = DecisioningConfig("acmeclient", "1234567890@AdobeOrg", polling_interval=300)
    engine = TargetDecisioningEngine(config)
    engine.initialize()
    decided = engine.get_offers(TargetDeliveryRequest(request))
    assert_type(engine.is_ready(), bool)
    return decided.remote_mboxes or ()


def old_names_of_a_client(client: TargetClient) -> Any:
    """Attributes of a client that 1.1.0 had."""
    client.event_emitter("mine", {"shown": True})
    return client.config["client"]


def old_functions(cookies: Dict[str, str]) -> Optional[str]:
    """Functions and names by their paths in 1.1.0."""
    assert_type(get_epoch_time_milliseconds(), int)
    return cookies.get(TARGET_COOKIE)


# Errors


def failures(client: TargetClient, request: DeliveryRequest) -> Union[str, int, None]:
    """Errors by the classes of the SDK, of 1.1.0 and of the standard library."""
    try:
        client.get_offers({"request": request})
    except errors.OptionError as error:
        assert_type(error.option, Optional[str])
        return error.expected
    except errors.HttpStatusError as error:
        assert_type(error.attempts, int)
        return error.status
    except errors.DeliveryError as error:
        return error.status
    try:
        client.get_offers({"request": request})
    except delivery_api_client.ApiException as error:
        assert_type(error.body, Optional[str])
        return error.reason
    except (urllib3.exceptions.HTTPError, TimeoutError, ValueError):
        return None
    return None


def failures_of_queued_calls(client: TargetClient, request: DeliveryRequest) -> Union[str, int, None]:
    """The errors of ``get()`` and of an await."""
    try:
        client.get_offers({"request": request, "callback": print}).get()
    except errors.ConnectionFailed as error:
        return error.phase
    except (errors.CircuitOpen, errors.DeadlineExceeded) as error:
        return error.attempts
    except (errors.QueueFull, errors.CallLost, errors.ClientClosed) as error:
        return error.message
    except multiprocessing.TimeoutError:
        return None
    return None


# Tests of applications


def fake_client(target: FakeTargetClient, client: TargetClient) -> List[str]:
    """A client without a network."""
    target.show("hero", html="<b>B</b>", activity="Heroes", experience="B")
    target.show("cart", json=[{"a": 1}], view=True)
    target.set_attributes("flags", {"cart": "new"})
    target.load(make_artifact({"hero": {"html": "B"}}))
    with target.force("Heroes", 0), target.fail_with(errors.DeadlineExceeded), target.slow(1.5):
        target.fail_with(503)
    with target.intercept(client), target.intercept(TargetClient):
        target.hide("hero")
    request: DeliveryRequest = target.requests[0]
    target.reset()
    return [*target.displayed, *target.clicked, str(request), str(make_answer({"hero": {"json": {}}})["status"])]


def half_an_answer(connection: Connection) -> None:
    """A handler of a ``SocketServer``."""
    connection.read_request()
    connection.send(response({"status": 200}, status=200)[:20])


def local_servers() -> None:
    """A local edge and a test server."""
    with LocalEdge() as edge, SocketServer(half_an_answer) as server:
        assert_type(edge.domain, str)
        assert_type(server.requests, List[bytes])
        assert_type(edge.notifications, List[Dict[str, Any]])


def keyword_arguments(request: DeliveryRequest, options: Dict[str, Any]) -> None:
    """Options as keyword arguments, a request as a dict, and options that were built step by step."""
    client = TargetClient.create(client="acmeclient", organization_id="1234567890@AdobeOrg", timeout=1)
    assert_type(client.get_offers(request=request, timeout=5), TargetDeliveryResponse)
    assert_type(client.get_offers({"request": {"execute": {}}}), TargetDeliveryResponse)
    assert_type(client.get_offers(request=request, callback=print), AsyncResult[TargetDeliveryResponse])
    assert_type(client.send_notifications(request=request), TargetDeliveryResponse)
    assert_type(client.get_attributes(["a"], request=request), AttributesProvider)
    assert_type(client.get_attributes(["a"], callback=print), AsyncResult[AttributesProvider])
    TargetClient.create(**options)
    client.get_offers(**options)
    client.get_offers(options)
    client.get_attributes(["a"], **options)
    client.get_attributes(["a"], options)
    client.send_notifications(options)
    assert_type(TargetClient.create(options), TargetClient)
    TargetClient.create(options, timeout=500)
    assert_type(client.get_offers({"request": request}, timeout=500), TargetDeliveryResponse)
    assert_type(client.send_notifications({"request": request}, timeout=500), TargetDeliveryResponse)
    assert_type(client.get_attributes(["a"], {"request": request}, timeout=500), AttributesProvider)
    assert_type(client.get_attributes(["a"], {"callback": print}, timeout=5), AsyncResult[AttributesProvider])
    assert_type(client.get_attributes(["a"], {"timeout": 5}, callback=print), AsyncResult[AttributesProvider])


async def awaited_step_by_step(client: TargetClient, request: DeliveryRequest, options: Dict[str, Any]) -> None:
    """Options that were built step by step, and a dict with keyword arguments, for awaited calls."""
    assert_type(await client.get_offers_async(options), TargetDeliveryResponse)
    assert_type(await client.send_notifications_async(options), TargetDeliveryResponse)
    assert_type(await client.get_attributes_async(["a"], options), AttributesProvider)
    assert_type(await client.get_offers_async(options, timeout=500), TargetDeliveryResponse)
    assert_type(await client.get_offers_async({"request": request}, timeout=500), TargetDeliveryResponse)
    assert_type(await client.get_offers_async(request=request), TargetDeliveryResponse)
    await client.get_offers_async(**options)


class Subclass(TargetClient):
    """A client of the application."""


def subclasses() -> None:
    """``create`` returns an instance of the class that it is called on."""
    assert_type(Subclass.create(client="acmeclient", organization_id="1234567890@AdobeOrg"), Subclass)
