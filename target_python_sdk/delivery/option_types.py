"""The options of a client and of a call as ``TypedDict``s, for users.

:mod:`target_python_sdk.delivery.options` and ``call_options`` parse them.
"""

from typing import Any, Callable, Mapping, Optional, Sequence, Union

from target_python_sdk.types import CustomerId, DeliveryRequest
from target_tools.enums import DecisioningMethod
from target_tools.typing_compat import TypedDict

Text = Union[str, bytes]
#: A customer id as in Target's SDKs for other languages: the id alone, or ``{"id": …, "authState": 0, 1 or 2}``.
CustomerIds = Union[Sequence[Union[CustomerId, Mapping[str, Any]]], Mapping[str, Any]]


class _Required(TypedDict):
    client: str
    """The client code: the first label of the delivery host."""

    organization_id: str
    """The Experience Cloud organization, as ``1234567890@AdobeOrg``."""


class ClientOptions(_Required, total=False):
    """The options of ``TargetClient.create``.  None means "not given"."""

    timeout: Optional[float]
    """Maximum duration of a whole call in milliseconds, including retries and pauses; 3000 by default."""

    server_domain: Optional[str]
    """``host[:port]`` of every delivery, instead of the edge's hosts."""

    secure: Optional[bool]
    """False: use http instead of https, for delivery, artifact and geo."""

    logger: Any
    """An object with ``debug`` and ``error``, instead of the ``adobe.target`` logger."""

    log_payloads: Optional[bool]
    """True: DEBUG lines show ids and bodies unredacted."""

    target_location_hint: Optional[Text]
    """The edge cluster to start with."""

    property_token: Optional[str]
    """The property of every request without one."""

    environment_id: Optional[int]
    """The environment of every request without one."""

    version: Optional[str]
    """The version of at.js on the page."""

    decisioning_method: Union[str, DecisioningMethod, None]
    """The decisioning method: ``server-side``, ``on-device``, or ``hybrid``, which uses the edge only if necessary."""

    events: Optional[Mapping[str, Callable[..., object]]]
    """Subscribers by event name; each has one parameter, the event, or none."""

    telemetry_enabled: Optional[bool]
    """Whether telemetry of calls is sent to the edge."""

    polling_interval: Optional[float]
    """Milliseconds between two downloads of the artifact; 0: download only once."""

    maximum_wait_ready: Optional[float]
    """Maximum time in milliseconds that ``create`` waits for the first artifact."""

    artifact_location: Optional[str]
    """The URL of the artifact, instead of the computed one."""

    artifact_payload: Optional[Mapping[str, Any]]
    """An artifact to start with."""

    artifact_format: Optional[str]
    """``json`` or ``bin``."""

    artifact_cache: Any
    """A path, or an object with ``get`` and ``set``, to save the last good artifact."""

    artifact_bypass_cache: Optional[bool]
    """Whether artifact requests have headers that forbid caches and proxies to answer."""

    environment: Optional[str]
    """The environment of the artifact."""

    cdn_environment: Optional[str]
    """No effect: an option of 1.1.0; there is only one CDN."""

    cdn_base_path: Optional[str]
    """The host of the CDN, optionally with scheme, port and path."""

    on_device_all_matching_rules_mboxes: Optional[Sequence[str]]
    """Mboxes that get the options of all matching rules, not only of the first."""

    max_workers: Optional[int]
    """Maximum number of threads for calls with a callback and for awaited calls."""

    max_pending: Optional[int]
    """Maximum number of calls that wait for such a thread."""

    queue_timeout: Optional[float]
    """Maximum time in milliseconds that a call waits for a thread; then it fails unsent."""

    retries: Any
    """Maximum number of attempts, or a ``urllib3.Retry``."""

    circuit_breaker: Union[bool, Mapping[str, Any], None]
    """Whether calls fail at once while the edge is down."""

    on_error: Optional[str]
    """``raise``, or ``default``: an answer without offers instead of an error."""

    headers: Union[Mapping[str, str], Callable[[Any], Mapping[str, str]], None]
    """Headers to add to every request, or a callable that returns them for a request."""

    max_connections: Optional[int]
    """Maximum number of idle connections for each host."""

    keep_alive: Optional[float]
    """Maximum time in milliseconds that an idle connection is kept; 0: close it after the answer."""

    pool_manager: Any
    """A ``urllib3.PoolManager``, or another object with its ``request`` method, that sends every request."""

    proxy: Optional[str]
    """``[scheme://][user:password@]host:port``; http, https, or with the extra ``socks`` socks5."""

    proxy_headers: Optional[Mapping[str, str]]
    """Headers for the proxy."""

    trust_env: Optional[bool]
    """Whether HTTPS_PROXY, HTTP_PROXY and NO_PROXY are used."""

    verify_ssl: Optional[bool]
    """False: certificates are not checked. For tests only."""

    ca_certs: Any
    """A file or folder of authorities, instead of the system's and certifi's."""

    client_cert: Any
    """A PEM file with certificate and key, ``(certificate, key)``, or ``(certificate, key, password)``."""

    max_response_bytes: Union[int, Mapping[str, int], None]
    """Maximum size of an answer after decompression, as one number or by ``delivery``, ``artifact``, ``geo``."""

    shutdown_timeout: Optional[float]
    """Maximum time in milliseconds that an exiting process waits for outstanding work."""


class _Options(TypedDict, total=False):
    """The options of all calls. None means "not given"."""

    target_cookie: Optional[Text]
    """The value of the visitor's ``mbox`` cookie."""

    target_location_hint: Optional[Text]
    """The value of the visitor's ``mboxEdgeCluster`` cookie."""

    consumer_id: Optional[str]
    """The consumer of the supplemental data id, for several calls of one page."""

    customer_ids: Optional[CustomerIds]
    """The visitor's ids in the customer's systems."""

    session_id: Any
    """The session id, unless the cookie has a valid one."""

    visitor: Any
    """An Experience Cloud visitor, as in 1.1.0."""

    visitor_cookie: Optional[Text]
    """The value of the visitor's ``AMCV_…`` cookie."""

    decisioning_method: Union[str, DecisioningMethod, None]
    """The decisioning method of this call."""

    timeout: Optional[float]
    """Maximum duration of this call in milliseconds."""

    err_callback: Optional[Callable[[Any], object]]
    """Called with the error of a call that has a ``callback``. A call without ``callback`` raises it."""


class _Request(TypedDict):
    request: DeliveryRequest
    """The request."""


class _Callback(TypedDict):
    callback: Callable[[Any], object]
    """Called once, by a worker thread, with the envelope or the attributes."""


class CallOptions(_Options, _Request, total=False):
    """The options of ``get_offers`` and ``send_notifications``."""

    callback: None
    """None: the call blocks."""


class CallbackOptions(_Options, _Request, _Callback):
    """The options of such a call with a callback; it returns an ``AsyncResult`` at once."""


class AttributesOptions(_Options, total=False):
    """The options of ``get_attributes``."""

    request: Optional[DeliveryRequest]
    """A request to which the mboxes are added."""

    callback: None
    """None: the call blocks."""


class AttributesCallbackOptions(_Options, _Callback, total=False):
    """The options of such a call with a callback; it returns an ``AsyncResult`` at once."""

    request: Optional[DeliveryRequest]
    """A request to which the mboxes are added."""
