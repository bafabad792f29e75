"""The options of a client and of a call as TypedDicts, for the type checkers of applications."""

import os
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Collection,
    Dict,
    Literal,
    Mapping,
    Optional,
    Protocol,
    Sequence,
    TypeVar,
    Union,
)

from target_python_sdk.observers import Observer
from target_python_sdk.types import CustomerId, DeliveryRequest, TargetDeliveryResponse
from target_tools.attributes_provider import AttributesProvider
from target_tools.enums import DecisioningMethod
from target_tools.schema.model import Model
from target_tools.typing_compat import TypedDict

Text = Union[str, bytes]
FilePath = Union[str, "os.PathLike[str]"]
#: A request as a dict, with the keys of the Delivery API or the names of the attributes.
RequestDict = Dict[str, Any]
#: Customer ids as models, or by integration code: the id, or ``{"id": …, "authState": 0, 1 or 2}``.
CustomerIds = Union[Sequence[Union[CustomerId, Mapping[str, Any]]], Mapping[str, Any]]


class _SupportsCancel(Protocol):
    """A future, or a handle of an event loop."""

    def cancel(self) -> object: ...


#: What a callback may return. It is ignored. The type excludes coroutines, whose bodies would not run.
CallbackResult = Union[None, complex, str, bytes, Collection[Any], Model, BaseException, _SupportsCancel]


class _RequiredOptions(TypedDict):
    client: str
    """The client code: a DNS label, because the delivery host begins with it."""

    organization_id: str
    """The Experience Cloud organization id, such as ``1234567890@AdobeOrg``."""


class _OptionalOptions(TypedDict, total=False):
    """The options of ``TargetClient.create`` that have a default. None means "not given"."""

    timeout: Optional[float]
    """The time limit of a whole call in milliseconds."""

    server_domain: Optional[str]
    """``host[:port]`` of every delivery request, instead of the edge's hosts."""

    secure: Optional[bool]
    """False: use http instead of https for delivery, artifact and geo requests."""

    logger: Any
    """An object with ``debug`` and ``error``, instead of the logger ``adobe.target``."""

    log_payloads: Optional[bool]
    """True: log ids and bodies unredacted at DEBUG level."""

    target_location_hint: Optional[Text]
    """The edge cluster to start with. It is used until it cannot be reached or an answer names another one."""

    property_token: Optional[str]
    """The property of every request that names none."""

    environment_id: Optional[int]
    """The environment of every request that names none."""

    version: Optional[str]
    """The version of at.js on the page, sent as the query parameter ``version``."""

    decisioning_method: Union[str, DecisioningMethod, None]
    """Who decides, unless a call names another method: ``server-side``, ``on-device`` or ``hybrid``, which is on-device
    if possible.
    """

    events: Optional[Mapping[str, Callable[..., object]]]
    """Subscribers by event name. Each takes the event or no argument. An unknown name is logged."""

    observers: Optional[Sequence[Observer]]
    """Callables that get an ``Observed`` for each call, artifact download and change of a circuit."""

    telemetry_enabled: Optional[bool]
    """False: neither collect nor send the timings of calls, which the client otherwise reports to Adobe."""

    polling_interval: Optional[float]
    """Milliseconds between two downloads of the artifact, at least 300000 except on loopback. 0: download only once."""

    maximum_wait_ready: Optional[float]
    """How many milliseconds ``create`` waits for the first artifact with ``on-device``. ``hybrid`` does not wait."""

    artifact_location: Optional[FilePath]
    """The URL of the artifact, instead of the computed one, or the path of a file."""

    artifact_payload: Optional[Mapping[str, Any]]
    """The artifact to start with."""

    artifact_format: Optional[str]
    """``json``, or ``bin`` for the obfuscated form. Default: ``json``, or ``bin`` if ``artifact_location`` ends in
    ``.bin``.
    """

    artifact_cache: Any
    """A path, or an object with ``get`` and ``set``, that stores the last good artifact."""

    artifact_bypass_cache: Optional[bool]
    """True: caches and proxies must not answer artifact requests."""

    environment: Optional[str]
    """The environment of the artifact. Any name; converted to lower case."""

    cdn_environment: Optional[str]
    """No effect: Adobe has only one CDN. Accepted because 1.1.0 had it. To use another host, set ``cdn_base_path``."""

    cdn_base_path: Optional[str]
    """``[scheme://]host[:port][/path]`` of the artifact and of geo lookups."""

    on_device_all_matching_rules_mboxes: Optional[Sequence[str]]
    """Mboxes that get the offers of all matching rules, not only of the first one."""

    escape_macros: Optional[bool]
    """True: escape what macros insert into the HTML of on-device offers."""

    max_workers: Optional[int]
    """The largest number of threads for calls with a callback and awaited calls."""

    max_pending: Optional[int]
    """The largest number of calls with a callback and awaited calls that wait for a thread."""

    queue_timeout: Optional[float]
    """How many milliseconds a call with a callback or an awaited call may wait for a thread, before it fails unsent."""

    retries: Any
    """The number of attempts in all, or a ``urllib3.Retry``."""

    circuit_breaker: Union[bool, Mapping[str, Any], None]
    """Whether calls fail at once while the edge is down. A dict sets ``failures``, ``rate`` and ``probes``, and
    ``window`` and ``cooldown`` in milliseconds.
    """

    on_error: Optional[str]
    """``raise``, or ``default``: return an answer without offers instead of raising an error."""

    headers: Union[Mapping[str, str], Callable[[Any], Mapping[str, str]], None]
    """Headers for every request, or a callable that returns them for a request."""

    max_connections: Optional[int]
    """The largest number of idle connections that are kept for each host between calls."""

    keep_alive: Optional[float]
    """How many milliseconds an idle connection is kept. 0: close each connection after its answer."""

    pool_manager: Any
    """A ``urllib3.PoolManager``, or an object with its method ``request``, that sends every request."""

    proxy: Optional[str]
    """``[scheme://][user:password@]host:port``. Schemes: http, https and, with the extra ``socks``, socks5."""

    proxy_headers: Optional[Mapping[str, str]]
    """Headers that are sent to the proxy only."""

    trust_env: Optional[bool]
    """Whether the variables ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` are used."""

    verify_ssl: Optional[bool]
    """False: do not check certificates. For tests only; logs one warning."""

    ca_certs: Any
    """A file or folder of certificate authorities. By default the system's, and certifi's if it is installed."""

    client_cert: Any
    """A PEM file with certificate and key, ``(certificate, key)``, or ``(certificate, key, password)``."""

    max_response_bytes: Union[int, Mapping[str, int], None]
    """The largest answer in bytes that is read, after decompression: one limit, or limits for ``delivery``,
    ``artifact`` and ``geo``.
    """

    shutdown_timeout: Optional[float]
    """How many milliseconds ``close()`` and an exiting process wait for outstanding calls, and for a pending
    ``client_ready``.
    """


class ClientOptions(_RequiredOptions, _OptionalOptions):
    """The options of ``TargetClient.create`` as a dict."""


#: Experiences by activity. Names and ids are accepted.
Forced = Mapping[Any, Union[str, int]]


class _CommonCallOptions(TypedDict, total=False):
    """The options of every method. None means "not given"."""

    target_cookie: Union[Text, Mapping[str, Any], None]
    """The value of the visitor's ``mbox`` cookie, or the dict ``answer.target_cookie``. A value that is percent-encoded
    as a whole is decoded.
    """

    target_location_hint: Optional[Text]
    """The value of the visitor's ``mboxEdgeCluster`` cookie. It names the edge cluster for this call, unless
    ``target_cookie`` or the request names one.
    """

    consumer_id: Optional[str]
    """The consumer of the supplemental data id, for several calls that share one Analytics hit. By default
    ``target-global-mbox``.
    """

    customer_ids: Optional[CustomerIds]
    """The visitor's ids in your own systems, added to those of the request, and sent only together with an Experience
    Cloud id. As a dict: integration code to id, or to ``{"id": …, "authState": …}``.
    """

    session_id: Any
    """Links the calls of one session if the visitor has no cookie with a session."""

    visitor: Any
    """An ``ExperienceCloudVisitor``, or an object with 1.1.0's methods."""

    visitor_cookie: Optional[Text]
    """The value of the visitor's ``AMCV_…`` cookie, or a ``Cookie`` header that has the cookie of the client's
    organization. Not used together with ``visitor``.
    """

    decisioning_method: Union[str, DecisioningMethod, None]
    """Who decides this call, instead of the client's option. ``send_notifications`` always goes to the edge."""

    timeout: Optional[float]
    """The time limit of this call in milliseconds, instead of the client's."""

    err_callback: Optional[Callable[[Any], CallbackResult]]
    """Receives the error of a call with a ``callback``. A call without a ``callback`` raises its error."""

    force: Optional[Forced]
    """The experiences to show, by activity: ``{"Two greetings": "B"}``. The call is decided on-device."""

    force_impressions: Optional[bool]
    """Whether to report the displays of forced offers, too."""

    consent: Optional[bool]
    """False: nothing about the visitor is sent. The call is decided on-device if possible, else it gets no offers."""

    on_error: Optional[str]
    """``raise`` or ``default``, instead of the client's option."""


class _RequestOption(TypedDict):
    request: Union[DeliveryRequest, RequestDict]
    """The content of the call. A dict has the field names of the Delivery API or of the model. ``get_attributes`` does
    not need a request.
    """


class _CallKeywords(_CommonCallOptions, total=False):
    request: Union[DeliveryRequest, RequestDict]
    """The request, as a model or a dict."""


class _AnswerCallbackOption(TypedDict):
    callback: Callable[[TargetDeliveryResponse], CallbackResult]
    """Receives the answer in a worker thread; the call returns an ``AsyncResult`` at once."""


#: The names of the options of a client.
ClientOptionName = Literal[
    "client", "organization_id", "timeout", "server_domain", "secure", "logger", "log_payloads",
    "target_location_hint", "property_token", "environment_id", "version", "decisioning_method", "events",
    "observers", "telemetry_enabled", "polling_interval", "maximum_wait_ready", "artifact_location", "artifact_payload",
    "artifact_format", "artifact_cache", "artifact_bypass_cache", "environment", "cdn_environment", "cdn_base_path",
    "on_device_all_matching_rules_mboxes", "escape_macros", "max_workers", "max_pending", "queue_timeout",
    "retries", "circuit_breaker", "on_error", "headers", "max_connections", "keep_alive", "pool_manager", "proxy",
    "proxy_headers", "trust_env", "verify_ssl", "ca_certs", "client_cert", "max_response_bytes", "shutdown_timeout",
]  # fmt: skip

#: The names of the options of a call.
CallOptionName = Literal[
    "request", "target_cookie", "target_location_hint", "consumer_id", "customer_ids", "session_id", "visitor",
    "visitor_cookie", "decisioning_method", "timeout", "callback", "err_callback", "force", "force_impressions",
    "consent", "on_error",
]  # fmt: skip


class _NotAnOption:
    """A type without values. Only ``Any`` is compatible with it."""


#: The value type of options that are passed as a ``Dict[str, Any]``. Only ``Any`` satisfies the bound, so type checkers
#: accept such a dict, and still name a misspelled key in a dict literal instead of saying that no overload matches.
UncheckedT = TypeVar("UncheckedT", bound=_NotAnOption)


class CallOptions(_CommonCallOptions, _RequestOption, total=False):
    """The options of ``get_offers`` and ``send_notifications``."""

    callback: None
    """None: the call blocks."""


class CallbackOptions(_CommonCallOptions, _RequestOption, _AnswerCallbackOption):
    """The options of a call that returns an ``AsyncResult`` at once."""


class AttributesOptions(_CommonCallOptions, total=False):
    """The options of ``get_attributes``."""

    request: Union[DeliveryRequest, RequestDict, None]
    """A request to which the mboxes are added."""

    callback: None
    """None: the call blocks."""


class _AttributesCallbackOption(TypedDict):
    callback: Callable[[AttributesProvider], CallbackResult]
    """Receives the attributes in a worker thread; the call returns an ``AsyncResult`` at once."""


class AttributesCallbackOptions(_CommonCallOptions, _AttributesCallbackOption, total=False):
    """The options of a call that returns an ``AsyncResult`` at once."""

    request: Union[DeliveryRequest, RequestDict, None]
    """A request to which the mboxes are added."""


if TYPE_CHECKING:
    # pyright names a misspelled keyword, because ``extra_items`` gives it a type that no value has. Without
    # ``extra_items``, pyright only says that no overload matches. mypy ignores ``extra_items`` and always names a
    # misspelled keyword.

    class ClientKeywords(_OptionalOptions, total=False, extra_items=_NotAnOption):  # type: ignore[call-arg]
        """The options of ``TargetClient.create`` as keyword arguments, in addition to a dict or instead of one."""

        client: str
        """The client code, which is the first label of the delivery host."""

        organization_id: str
        """The Experience Cloud organization id, such as ``1234567890@AdobeOrg``."""

    class OfferKeywords(CallOptions, total=False, extra_items=_NotAnOption):  # type: ignore[call-arg]
        """The options of a blocking call as keyword arguments, instead of a dict."""

    class OfferCallbackKeywords(CallbackOptions, extra_items=_NotAnOption):  # type: ignore[call-arg]
        """The options of a call with a callback, as keyword arguments instead of a dict."""

    class CallKeywords(_CallKeywords, total=False, extra_items=_NotAnOption):  # type: ignore[call-arg]
        """The options of a call except ``callback`` as keyword arguments, in addition to a dict or instead of one."""

    class CallbackKeywords(_CommonCallOptions, _AnswerCallbackOption, extra_items=_NotAnOption):  # type: ignore[call-arg]
        """The options of a call with a callback, as keyword arguments in addition to a dict."""

    class UncheckedKeywords(_CallKeywords, total=False, extra_items=_NotAnOption):  # type: ignore[call-arg]
        """The options of a call as keyword arguments, in addition to a dict whose keys are not known."""

        callback: Optional[Callable[[Any], CallbackResult]]
        """Receives the result."""

    class AttributesKeywords(AttributesOptions, total=False, extra_items=_NotAnOption):  # type: ignore[call-arg]
        """The options of a blocking ``get_attributes`` as keyword arguments."""

    class AttributesCallbackKeywords(  # type: ignore[call-arg]
        AttributesCallbackOptions, total=False, extra_items=_NotAnOption
    ):
        """The options of ``get_attributes`` with a callback, as keyword arguments."""
