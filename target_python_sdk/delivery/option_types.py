"""The options of a client and of a call as TypedDicts, for the type checkers of applications."""

from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Union

from target_python_sdk.types import CustomerId, DeliveryRequest
from target_tools.enums import DecisioningMethod
from target_tools.typing_compat import TypedDict

Text = Union[str, bytes]
#: A request as a dict, as the Delivery API writes it or with the names of the attributes.
RequestDict = Dict[str, Any]
#: Customer ids as models, or by integration code: the id, or ``{"id": …, "authState": 0, 1 or 2}``.
CustomerIds = Union[Sequence[Union[CustomerId, Mapping[str, Any]]], Mapping[str, Any]]


class _RequiredOptions(TypedDict):
    client: str
    """The client code, which is the first label of the delivery host."""

    organization_id: str
    """The Experience Cloud organization id, such as ``1234567890@AdobeOrg``."""


class _OptionalOptions(TypedDict, total=False):
    """The options of ``TargetClient.create`` that have a default. None means "not given"."""

    timeout: Optional[float]
    """The time limit of a call in milliseconds, including retries and delays. Default: 3000."""

    server_domain: Optional[str]
    """``host[:port]`` for all deliveries, instead of the edge's hosts."""

    secure: Optional[bool]
    """False: http instead of https for delivery, artifact and geo requests."""

    logger: Any
    """An object with ``debug`` and ``error``, instead of the ``adobe.target`` logger."""

    log_payloads: Optional[bool]
    """True: log ids and bodies unredacted at DEBUG level."""

    target_location_hint: Optional[Text]
    """The initial edge cluster."""

    property_token: Optional[str]
    """The property for requests that do not name one."""

    environment_id: Optional[int]
    """The environment for requests that do not name one."""

    version: Optional[str]
    """The version of at.js on the page."""

    decisioning_method: Union[str, DecisioningMethod, None]
    """``server-side``, ``on-device``, or ``hybrid``: on-device if possible, else by the edge."""

    events: Optional[Mapping[str, Callable[..., object]]]
    """Subscribers by event name. Each takes the event or no argument."""

    telemetry_enabled: Optional[bool]
    """Whether to send timings of calls to the edge."""

    polling_interval: Optional[float]
    """Milliseconds between two requests for a new artifact. 0: no polling."""

    maximum_wait_ready: Optional[float]
    """The time in milliseconds that ``create`` waits for the first artifact."""

    artifact_location: Optional[str]
    """The URL of the artifact, instead of the default one."""

    artifact_payload: Optional[Mapping[str, Any]]
    """The initial artifact."""

    artifact_format: Optional[str]
    """``json`` or ``bin``."""

    artifact_cache: Any
    """A path, or an object with ``get`` and ``set``, that stores the last good artifact."""

    artifact_bypass_cache: Optional[bool]
    """Whether artifact requests bypass caches."""

    environment: Optional[str]
    """The environment of the artifact."""

    cdn_environment: Optional[str]
    """No effect; 1.1.0 had this option."""

    cdn_base_path: Optional[str]
    """The host of the CDN, with an optional scheme and port."""

    on_device_all_matching_rules_mboxes: Optional[Sequence[str]]
    """Mboxes that get the options of all matching rules, not only of the first one."""

    max_workers: Optional[int]
    """The maximum number of threads for calls with a callback."""

    max_pending: Optional[int]
    """The maximum number of calls that wait for such a thread."""

    queue_timeout: Optional[float]
    """Milliseconds after which a queued call fails unsent."""

    retries: Any
    """The total number of attempts, or a ``urllib3.Retry``."""

    circuit_breaker: Union[bool, Mapping[str, Any], None]
    """Whether calls fail at once while the edge is down, or the settings of the circuit breaker."""

    on_error: Optional[str]
    """``raise``, or ``default``: return an answer without offers instead of raising an error."""

    headers: Union[Mapping[str, str], Callable[[Any], Mapping[str, str]], None]
    """Headers to add to every request, or a callable that returns them for a request."""

    max_connections: Optional[int]
    """The maximum number of idle connections per host."""

    keep_alive: Optional[float]
    """Milliseconds for which an idle connection is kept. 0: close each connection after its answer."""

    pool_manager: Any
    """A ``urllib3.PoolManager``, or an object with its ``request`` method, for every request."""

    proxy: Optional[str]
    """``[scheme://][user:password@]host:port``; http, https, or with an extra socks5."""

    proxy_headers: Optional[Mapping[str, str]]
    """Headers that are sent to the proxy only."""

    trust_env: Optional[bool]
    """Whether HTTPS_PROXY, HTTP_PROXY and NO_PROXY are used."""

    verify_ssl: Optional[bool]
    """False: do not check certificates. For tests only."""

    ca_certs: Any
    """A file or folder of certificate authorities, instead of the system's or certifi's."""

    client_cert: Any
    """A PEM file with certificate and key, ``(certificate, key)``, or ``(certificate, key, password)``."""

    max_response_bytes: Union[int, Mapping[str, int], None]
    """The largest answer in bytes after decompression: one limit, or by ``delivery``, ``artifact``, ``geo``."""

    shutdown_timeout: Optional[float]
    """The time in milliseconds that an exiting process waits for calls in progress."""


class ClientOptions(_RequiredOptions, _OptionalOptions):
    """The options of ``TargetClient.create`` as a dict."""


class ClientKeywords(_OptionalOptions, total=False):
    """The options of ``TargetClient.create`` as keyword arguments, in addition to a dict or instead of one."""

    client: str
    """The client code, which is the first label of the delivery host."""

    organization_id: str
    """The Experience Cloud organization id, such as ``1234567890@AdobeOrg``."""


class _CommonCallOptions(TypedDict, total=False):
    """The options of every method. None means "not given"."""

    target_cookie: Optional[Text]
    """The value of the visitor's ``mbox`` cookie."""

    target_location_hint: Optional[Text]
    """The value of the visitor's ``mboxEdgeCluster`` cookie."""

    consumer_id: Optional[str]
    """The consumer of the supplemental data id, if a page makes several calls."""

    customer_ids: Optional[CustomerIds]
    """The visitor's ids in the customer's systems."""

    session_id: Any
    """The session id, used if the cookie has no live session."""

    visitor: Any
    """An Experience Cloud visitor with 1.1.0's methods."""

    visitor_cookie: Optional[Text]
    """The value of the visitor's ``AMCV_…`` cookie."""

    decisioning_method: Union[str, DecisioningMethod, None]
    """The decisioning method of this call."""

    timeout: Optional[float]
    """The time limit of this call in milliseconds."""

    err_callback: Optional[Callable[[Any], object]]
    """Called with the error of a call that has a ``callback``. A call without one raises the error."""


class _RequestOption(TypedDict):
    request: Union[DeliveryRequest, RequestDict]
    """The request."""


class _CallbackOption(TypedDict):
    callback: Callable[[Any], object]
    """Called once by a worker thread, with the envelope or the attributes."""


class CallOptions(_CommonCallOptions, _RequestOption, total=False):
    """The options of ``get_offers`` and ``send_notifications``."""

    callback: None
    """None: the call blocks."""


class CallKeywords(_CommonCallOptions, total=False):
    """The options of an awaited call as keyword arguments, in addition to a dict or instead of one."""

    request: Union[DeliveryRequest, RequestDict]
    """The request, as a model or a dict."""


class CallbackOptions(_CommonCallOptions, _RequestOption, _CallbackOption):
    """The options of a call that returns an ``AsyncResult`` at once."""


class AttributesOptions(_CommonCallOptions, total=False):
    """The options of ``get_attributes``."""

    request: Union[DeliveryRequest, RequestDict, None]
    """A request to which the mboxes are added."""

    callback: None
    """None: the call blocks."""


class AttributesCallbackOptions(_CommonCallOptions, _CallbackOption, total=False):
    """The options of a call that returns an ``AsyncResult`` at once."""

    request: Union[DeliveryRequest, RequestDict, None]
    """A request to which the mboxes are added."""
