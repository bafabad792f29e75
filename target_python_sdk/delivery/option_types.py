"""What users may write: the options of a client and of a call, as they are typed outside.

Past the door they are values of :mod:`target_python_sdk.delivery.options`.
"""

from typing import Any, Callable, Mapping, Optional, Sequence, Union

from target_python_sdk.types import CustomerId, DeliveryRequest
from target_tools.enums import DecisioningMethod
from target_tools.typing_compat import TypedDict

Text = Union[str, bytes]
#: A customer id as the siblings take it: the id alone, or ``{"id": …, "authState": 0, 1 or 2}``.
CustomerIds = Union[Sequence[Union[CustomerId, Mapping[str, Any]]], Mapping[str, Any]]


class _Required(TypedDict):
    client: str
    """The client code: the first label of the delivery host."""

    organization_id: str
    """The Experience Cloud organization, as ``1234567890@AdobeOrg``."""


class ClientOptions(_Required, total=False):
    """The options of ``TargetClient.create``.  None means "not given"."""

    timeout: Optional[float]
    """Milliseconds that a whole call may take, retries and backing off included.  3000."""

    server_domain: Optional[str]
    """``host[:port]`` that every delivery goes to, in place of the edge's own hosts."""

    secure: Optional[bool]
    """False: http in place of https, for delivery, artifact and geo."""

    logger: Any
    """An object with ``debug`` and ``error``, in place of the ``adobe.target`` logger."""

    log_payloads: Optional[bool]
    """True: ids and bodies stand in the DEBUG lines as they are."""

    target_location_hint: Optional[Text]
    """The edge cluster to start with."""

    property_token: Optional[str]
    """The property of every request that names none."""

    environment_id: Optional[int]
    """The environment of every request that names none."""

    version: Optional[str]
    """The version of at.js that the page uses."""

    decisioning_method: Union[str, DecisioningMethod, None]
    """Who decides: ``server-side``, ``on-device``, or ``hybrid``: here what can be decided here."""

    events: Optional[Mapping[str, Callable[..., object]]]
    """Subscribers by event name; each takes the event, or nothing."""

    telemetry_enabled: Optional[bool]
    """Whether measurements of calls go to the edge."""

    polling_interval: Optional[float]
    """Milliseconds between two looks for a new artifact; 0: never."""

    maximum_wait_ready: Optional[float]
    """Milliseconds that ``create`` waits for the first artifact."""

    artifact_location: Optional[str]
    """The URL of the artifact, in place of the computed one."""

    artifact_payload: Optional[Mapping[str, Any]]
    """An artifact to start with."""

    artifact_format: Optional[str]
    """``json`` or ``bin``."""

    artifact_cache: Any
    """A path, or an object with ``get`` and ``set``, that keeps the last good artifact."""

    artifact_bypass_cache: Optional[bool]
    """Whether artifact requests ask caches and proxies on the way not to answer."""

    environment: Optional[str]
    """The environment whose artifact is used."""

    cdn_environment: Optional[str]
    """Kept for 1.1.0's sake; there is one CDN."""

    cdn_base_path: Optional[str]
    """The host of the CDN, with scheme and port where they are not the usual ones."""

    on_device_all_matching_rules_mboxes: Optional[Sequence[str]]
    """Mboxes that get the options of every matching rule, not of the first."""

    max_workers: Optional[int]
    """Threads that serve calls with a callback."""

    max_pending: Optional[int]
    """Calls that may wait for such a thread."""

    queue_timeout: Optional[float]
    """Milliseconds after which a call that waited so long fails unsent."""

    retries: Any
    """Attempts in all, or a ``urllib3.Retry``."""

    circuit_breaker: Union[bool, Mapping[str, Any], None]
    """Whether calls fail at once while the edge is down."""

    on_error: Optional[str]
    """``raise``, or ``default``: an answer without offers in place of an error."""

    headers: Union[Mapping[str, str], Callable[[Any], Mapping[str, str]], None]
    """Headers to add to every request, or a callable that returns them for a request."""

    max_connections: Optional[int]
    """Idle connections that are kept for each host."""

    keep_alive: Optional[float]
    """Milliseconds that an idle connection is kept; 0: each is closed after its answer."""

    pool_manager: Any
    """A ``urllib3.PoolManager``, or what has its ``request``, for every request."""

    proxy: Optional[str]
    """``[scheme://][user:password@]host:port``; http, https, or with an extra socks5."""

    proxy_headers: Optional[Mapping[str, str]]
    """Headers for the proxy itself."""

    trust_env: Optional[bool]
    """Whether HTTPS_PROXY, HTTP_PROXY and NO_PROXY count."""

    verify_ssl: Optional[bool]
    """False: no certificate is checked.  For a laboratory only."""

    ca_certs: Any
    """A file or folder of authorities, in place of the system's and certifi's."""

    client_cert: Any
    """A PEM file with certificate and key, ``(certificate, key)``, or ``(certificate, key, password)``."""

    max_response_bytes: Union[int, Mapping[str, int], None]
    """The largest answer that is read, after decompression, in all or by ``delivery``, ``artifact``, ``geo``."""

    shutdown_timeout: Optional[float]
    """Milliseconds that an exiting process waits for outstanding work."""


class _Options(TypedDict, total=False):
    """What every kind of call takes; None means "not given"."""

    target_cookie: Optional[Text]
    """The value of the visitor's ``mbox`` cookie."""

    target_location_hint: Optional[Text]
    """The value of the visitor's ``mboxEdgeCluster`` cookie."""

    consumer_id: Optional[str]
    """Who consumes the supplemental data id, where several calls make one page."""

    customer_ids: Optional[CustomerIds]
    """The visitor's ids in the customer's own systems."""

    session_id: Any
    """The session, where the cookie holds no live one."""

    visitor: Any
    """An Experience Cloud visitor, as 1.1.0 took it."""

    visitor_cookie: Optional[Text]
    """The value of the visitor's ``AMCV_…`` cookie."""

    decisioning_method: Union[str, DecisioningMethod, None]
    """Who decides this call."""

    timeout: Optional[float]
    """Milliseconds that this call may take."""

    err_callback: Optional[Callable[[Any], object]]
    """Called with the error of a call that has a ``callback``; one without raises."""


class _Request(TypedDict):
    request: DeliveryRequest
    """What is asked of the edge."""


class _Callback(TypedDict):
    callback: Callable[[Any], object]
    """Called once, by a worker thread, with the envelope or the attributes."""


class CallOptions(_Options, _Request, total=False):
    """The options of ``get_offers`` and ``send_notifications``."""

    callback: None
    """None: the call waits for its answer."""


class CallbackOptions(_Options, _Request, _Callback):
    """The options of such a call that comes back at once with an ``AsyncResult``."""


class AttributesOptions(_Options, total=False):
    """The options of ``get_attributes``."""

    request: Optional[DeliveryRequest]
    """What else is asked of the edge."""

    callback: None
    """None: the call waits for its answer."""


class AttributesCallbackOptions(_Options, _Callback, total=False):
    """The options of such a call that comes back at once with an ``AsyncResult``."""

    request: Optional[DeliveryRequest]
    """What else is asked of the edge."""
