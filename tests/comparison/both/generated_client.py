"""The generated client: ``DeliveryApi``, ``ApiClient``, ``Configuration``, exceptions."""

import datetime
import importlib
import json
import threading
import time
from typing import Any, Callable, Dict

from as_json import as_json, outcome
from environment import ORGANIZATION, PATIENCE, SESSION, Environment, execute, mbox, request

import delivery_api_client as api


def delivery(env: Environment, **configuration: Any) -> Any:
    """Create a ``DeliveryApi`` of the edge."""
    settings = api.Configuration(host="http://" + env.edge)
    for name, value in configuration.items():
        setattr(settings, name, value)
    return api.DeliveryApi(api.ApiClient(configuration=settings))


def executing(delivery_request: Any = None, **keywords: Any) -> Callable[[Environment], Any]:
    """Return a scenario of ``execute``."""
    return lambda env: delivery(env).execute(
        ORGANIZATION, SESSION, delivery_request() if delivery_request else request(), **keywords
    )


def with_http_info(env: Environment) -> Any:
    """Return the three results of ``execute_with_http_info``."""
    data, status, headers = delivery(env).execute_with_http_info(ORGANIZATION, SESSION, request())
    return {"data": as_json(data), "status": status, "type": headers.get("Content-Type")}


def only_data(env: Environment) -> Any:
    """Return the result of ``execute_with_http_info`` with ``_return_http_data_only``."""
    return delivery(env).execute_with_http_info(ORGANIZATION, SESSION, request(), _return_http_data_only=True)


def call_async(env: Environment) -> Any:
    """Call with ``async_req`` and without callbacks."""
    result = delivery(env).execute(ORGANIZATION, SESSION, request(), async_req=True)
    result.wait(PATIENCE)
    return {"ready": result.ready(), "successful": result.successful(), "get": as_json(result.get(PATIENCE))}


def called_back(name: str) -> Callable[[Environment], Any]:
    """Return a scenario of ``async_req`` with callbacks."""

    def scenario(env: Environment) -> Any:
        callback_calls: Any = []
        received = threading.Event()

        def record(which: str) -> Any:
            return lambda value: (callback_calls.append([which, as_json(value)]), received.set())

        delivery_request = request(execute=execute(mbox(name)))
        delivery(env).execute(
            ORGANIZATION,
            SESSION,
            delivery_request,
            async_req=True,
            callback=record("data"),
            err_callback=record("error"),
        )
        received.wait(PATIENCE)
        return callback_calls

    return scenario


def callback_without_async_req(name: str) -> Callable[[Environment], Any]:
    """Return a scenario with callbacks but without ``async_req``. It returns the answer and the callback arguments."""

    def scenario(env: Environment) -> Any:
        callback_calls: Any = []
        delivery_request = request(execute=execute(mbox(name)))
        callbacks = {"callback": callback_calls.append, "err_callback": callback_calls.append}
        answer = outcome(lambda: delivery(env).execute(ORGANIZATION, SESSION, delivery_request, **callbacks))
        time.sleep(0.2)
        return {"answer": as_json(answer), "given": as_json(callback_calls)}

    return scenario


def default_headers(env: Environment) -> Any:
    """Call with default headers, a cookie, and headers of one call."""
    settings = api.Configuration(host="http://" + env.edge)
    client = api.ApiClient(configuration=settings, header_name="X-Mine", header_value="always", cookie="a=b")
    client.set_default_header("X-Also", "too")
    return api.DeliveryApi(client).execute(ORGANIZATION, SESSION, request(), headers={"X-Once": "now"})


def unparsed_answer(env: Environment) -> Any:
    """Call with ``_preload_content=False``, which returns urllib3's response."""
    answer = delivery(env).execute(ORGANIZATION, SESSION, request(), _preload_content=False)
    answer = answer[0] if isinstance(answer, tuple) else answer
    return {"status": answer.status, "json": json.loads(answer.data)["status"]}


def odd_answer(name: str) -> Callable[[Environment], Any]:
    """Return a scenario of ``execute`` with an answer of ``odd_answers``."""
    return executing(lambda: request(execute=execute(mbox(name))))


def encrypted(**configuration: Any) -> Callable[[Environment], Any]:
    """Return a scenario of a call to a server with an untrusted certificate."""

    def scenario(env: Environment) -> Any:
        client = delivery(env, host="https://" + env.encrypted, **configuration)
        answer = outcome(lambda: client.execute(ORGANIZATION, SESSION, request()))
        # The text is left out, because it contains the port.
        return (
            {"caught as": as_json(answer)["caught as"], "text": ""}
            if isinstance(answer, Exception)
            else as_json(answer)
        )

    return scenario


def last_response(env: Environment) -> Any:
    """Return the status of the answer that the client keeps."""
    client = delivery(env)
    client.execute(ORGANIZATION, SESSION, request())
    return client.api_client.last_response.status


class Answer:
    """The argument of ``deserialize``."""

    def __init__(self, data: Any) -> None:
        self.data = data


def sanitizing(value: Any) -> Callable[[Environment], Any]:
    """Return a scenario of ``sanitize_for_serialization``."""
    return lambda env: api.ApiClient().sanitize_for_serialization(value() if callable(value) else value)


def deserializing(text: Any, kind: Any) -> Callable[[Environment], Any]:
    """Return a scenario of ``deserialize``."""
    return lambda env: api.ApiClient().deserialize(Answer(text), kind)


def moment(**zone: Any) -> Any:
    return datetime.datetime(2020, 1, 2, 3, 4, 5, **zone)


def user_agent(env: Environment) -> Any:
    """Return the type of the default User-Agent, and a custom User-Agent as it is read and as it is sent."""
    client = api.ApiClient()
    before = type(client.user_agent).__name__
    client.user_agent = "mine/1"
    return [before, client.user_agent, client.default_headers.get("User-Agent")]


EXECUTING: Dict[str, Callable[[Environment], Any]] = {
    "execute": executing(),
    "execute, with a version": executing(version="2.8"),
    "execute, with headers": executing(headers={"X-Mine": "1"}),
    "execute, with an unknown argument": executing(colour="red"),
    "execute, without a request": lambda env: delivery(env).execute(ORGANIZATION, SESSION),
    "execute, with None for the request": lambda env: delivery(env).execute(ORGANIZATION, SESSION, None),
    "execute, with a dict for the request": executing(
        lambda: {"context": {"channel": "web"}, "execute": {"mboxes": [{"name": "home", "index": 1}]}}
    ),
    "execute_with_http_info": with_http_info,
    "execute_with_http_info, data only": only_data,
    "execute, with async_req": call_async,
    "execute, called back": called_back("home"),
    "execute, with a callback and without async_req": callback_without_async_req("home"),
    "execute, unencrypted and without verifying": lambda env: delivery(env, verify_ssl=False).execute(
        ORGANIZATION, SESSION, request()
    ),
    "execute, encrypted": encrypted(),
    "execute, encrypted and without verifying": encrypted(verify_ssl=False),
    "headers and cookie of the client": default_headers,
    "an unparsed answer": unparsed_answer,
    "client as a context": lambda env: type(api.ApiClient().__enter__()).__name__,
    "user agent": user_agent,
    "last_response": last_response,
    "close": lambda env: api.ApiClient().close(),
}


class Renamed(api.MboxRequest):
    """A subclass of ``MboxRequest`` whose ``to_dict`` returns something else."""

    def to_dict(self) -> Any:
        return {"renamed": self.name}


class Nowhere(api.Address):
    """A subclass of ``Address`` whose ``to_dict`` returns something else."""

    def to_dict(self) -> Any:
        return {"nowhere": self.url}


def with_subclasses() -> Any:
    """Return a request with a ``Renamed`` in a list and a ``Nowhere`` as an attribute."""
    context = api.Context(channel=api.ChannelType.WEB, address=Nowhere(url="https://example.com/"))
    return request(context=context, execute=execute(Renamed(name="home", index=1), mbox("flags", index=2)))


def texts_of_subclasses(env: Environment) -> Any:
    """Return the dict and the texts of a request with models of both subclasses."""
    delivery_request, executed = with_subclasses(), with_subclasses().execute
    return {
        "to_dict": delivery_request.to_dict(),
        "to_str": executed.to_str(),
        "repr": repr(executed),
        "equal": delivery_request == with_subclasses(),
    }


SUBCLASSES: Dict[str, Callable[[Environment], Any]] = {
    "as a dict and as text": texts_of_subclasses,
    "in a dict": lambda env: as_json(api.Notification(parameters={"a": Renamed(name="home")}).to_dict()),
    "sanitized": lambda env: api.ApiClient().sanitize_for_serialization(with_subclasses()),
    "sent by the API": executing(with_subclasses),
    "sent by a client": lambda env: env.offers(with_subclasses()),
}

SERIALIZING: Dict[str, Callable[[Environment], Any]] = {
    "sanitize a request": sanitizing(request),
    "sanitize a list": sanitizing(lambda: [mbox(), {"a": mbox()}, None]),
    "sanitize a tuple": sanitizing(lambda: (1, "a", mbox())),
    "sanitize a time": sanitizing(moment),
    "sanitize a time with a zone": sanitizing(lambda: moment(tzinfo=datetime.timezone.utc)),
    "sanitize a date": sanitizing(lambda: moment().date()),
    "sanitize None": sanitizing(None),
    "sanitize a text": sanitizing("text"),
    "sanitize a number": sanitizing(1.5),
    "sanitize None inside parameters": sanitizing(lambda: mbox(parameters={"a": None})),
    "sanitize an empty list": sanitizing(lambda: api.ExecuteRequest(mboxes=[])),
    "sanitize a property": sanitizing(lambda: request(_property=api.ModelProperty(token="t"))),
    "sanitize an answer": sanitizing(lambda: api.DeliveryResponse(status=200, client="c")),
    "sanitize something else": sanitizing(object),
    "deserialize an answer": deserializing('{"status": 200, "requestId": "r", "more": 1}', "DeliveryResponse"),
    "deserialize a request": deserializing(
        '{"context": {"channel": "web"}, "property": {"token": "t"}}', "DeliveryRequest"
    ),
    "deserialize a list": deserializing('[{"name": "a"}, {"index": 2}]', "list[MboxRequest]"),
    "deserialize a dict": deserializing('{"a": {"token": "t"}}', "dict(str, ModelProperty)"),
    "deserialize by a class": deserializing('{"name": "a"}', api.MboxRequest),
    "deserialize an int": deserializing('"5"', "int"),
    "deserialize a float": deserializing("5", "float"),
    "deserialize a bool": deserializing("true", "bool"),
    "deserialize a text": deserializing('"a"', "str"),
    "deserialize a text that is no JSON": deserializing("plain", "str"),
    "deserialize no JSON as an answer": deserializing("plain", "DeliveryResponse"),
    "deserialize a time": deserializing('"2020-01-02T03:04:05Z"', "datetime"),
    "deserialize a date": deserializing('"2020-01-02"', "date"),
    "deserialize an invalid time": deserializing('"yesterday"', "datetime"),
    "deserialize an object": deserializing('{"a": [1]}', "object"),
    "deserialize null": deserializing("null", "DeliveryResponse"),
    "deserialize an unknown type": deserializing('{"a": 1}', "Nobody"),
    "deserialize an order": deserializing(
        '{"id": "o", "time": "2020-01-02T03:04:05.678+02:00", "total": 5, "purchasedProductIds": ["a"]}', "Order"
    ),
    "deserialize an order below its limit": deserializing('{"total": -1}', "Order"),
    "deserialize without a required field": deserializing("{}", "CustomerId"),
}


def configuration_as_json(settings: Any) -> Any:
    """Convert the public attributes of a configuration."""
    return {name: as_json(getattr(settings, name, "missing")) for name in ATTRIBUTES}


ATTRIBUTES = (
    "host", "api_key", "api_key_prefix", "username", "password", "verify_ssl", "ssl_ca_cert", "cert_file", "key_file",
    "assert_hostname", "proxy", "proxy_headers", "retries", "safe_chars_for_path_param", "debug",
    "client_side_validation",
)  # fmt: skip


def settings(**attributes: Any) -> Any:
    return api.Configuration(**attributes)


def errors() -> Any:
    """Create each exception with the arguments that an application may pass."""
    exceptions = importlib.import_module("delivery_api_client.exceptions")
    made = [
        api.OpenApiException("plain"),
        api.ApiTypeError("wrong type"),
        api.ApiTypeError("wrong type", ["a", 0, "b"], (str,), True),
        api.ApiValueError("wrong value"),
        api.ApiValueError("wrong value", ["a", 0]),
        api.ApiKeyError("no key"),
        api.ApiKeyError("no key", ["a"]),
        api.ApiException(),
        api.ApiException(status=404, reason="Not Found"),
        api.ApiException("400", "reason"),
    ]
    return {
        "errors": as_json(made),
        "path": exceptions.render_path(["a", 0, "b"]),
        "args": as_json([e.args for e in made]),
    }


CONFIGURING: Dict[str, Callable[[Environment], Any]] = {
    "Configuration": lambda env: configuration_as_json(settings(host="http://" + env.edge)),
    "Configuration of two hosts": lambda env: [settings(host="http://a").host, settings(host="http://b").host],
    "Configuration, auth_settings": lambda env: settings().auth_settings(),
    "Configuration, get_host_settings": lambda env: settings().get_host_settings(),
    "Configuration, get_host_from_settings": lambda env: settings().get_host_from_settings(0),
    "Configuration, get_host_from_settings, unknown index": lambda env: settings().get_host_from_settings(9),
    "Configuration, get_basic_auth_token": lambda env: settings().get_basic_auth_token(),
    "Configuration, get_api_key_with_prefix": lambda env: settings().get_api_key_with_prefix("x"),
    "Configuration, to_debug_report": lambda env: settings().to_debug_report().split("\n")[0],
    "exceptions": lambda env: errors(),
    "__version__": lambda env: api.__version__,
    "enums": lambda env: [outcome(lambda: as_json(api.ChannelType())), api.ChannelType() == api.ChannelType()],
}
#: Names of answers in ``odd_answers``.
ODD = (
    "400", "401", "403", "404", "500", "503", "204", "206", "301", "not JSON", "an empty object", "a list",
    "an id that is a text", "a number as content", "a long tntId", "unknown fields", "wrong types",
)  # fmt: skip

SUBCLASS_SCENARIOS = {"subclasses of models, " + name: scenario for name, scenario in SUBCLASSES.items()}
SCENARIOS = {**EXECUTING, **SUBCLASS_SCENARIOS, **SERIALIZING, **CONFIGURING}
