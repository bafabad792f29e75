"""The door: what users wrote becomes frozen values here, or an error that says what was expected.

Nothing past this module reads an option by its name in a dict, and no dict, request
or model of the user's is changed.
"""

import enum
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import quote

import six
import urllib3

from target_python_sdk.delivery import option_parsers as parse
from target_python_sdk.delivery.messages import (
    CLIENT_REQUIRED,
    DECISIONING_METHOD_INVALID,
    EXECUTE_FIELDS_REQUIRED,
    INVALID_CALLBACK,
    NOTIFICATIONS_REQUIRED,
    OPTIONS_REQUIRED,
    ORG_ID_REQUIRED,
    PREFETCH_FIELDS_REQUIRED,
    REQUEST_REQUIRED,
)
from target_python_sdk.delivery.nodes import node
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, PrefetchRequest
from target_tools.enums import DecisioningMethod
from target_tools.errors import NotAvailable, OptionError
from target_tools.logger import Log
from target_tools.proxies import Proxy, parse_proxy
from target_tools.retries import RetryPolicy
from target_tools.tls import tls_context
from target_tools.transport import TransportSettings, proxy_manager


class ByteLimits(NamedTuple):
    """The largest answers that are read, in bytes after decompression."""

    delivery: int = 8 << 20
    artifact: int = 64 << 20
    geo: int = 64 << 10


class ClientSettings(NamedTuple):
    """The options of a client, checked.  Times are seconds here."""

    client: str
    organization_id: str
    timeout: float = 3.0
    server_domain: Optional[Tuple[str, Optional[int]]] = None
    secure: bool = True
    logger: Any = None
    log_payloads: bool = False
    target_location_hint: Optional[str] = None
    property_token: Optional[str] = None
    environment_id: Optional[int] = None
    version: Optional[str] = None
    decisioning_method: DecisioningMethod = DecisioningMethod.SERVER_SIDE
    events: Mapping[str, Callable[..., object]] = {}  # noqa: RUF012 - nobody writes to it
    telemetry_enabled: bool = True
    polling_interval: float = 300.0
    maximum_wait_ready: float = 10.0
    artifact_location: Optional[str] = None
    artifact_payload: Optional[Mapping[str, Any]] = None
    artifact_format: Optional[str] = None
    artifact_cache: Any = None
    environment: str = "production"
    cdn_environment: str = "production"
    cdn_base_path: str = "assets.adobetarget.com"
    on_device_all_matching_rules_mboxes: Sequence[str] = ()
    max_workers: int = 32
    max_pending: int = 10000
    queue_timeout: float = 30.0
    retries: RetryPolicy = RetryPolicy()
    circuit_breaker: Any = True
    on_error: str = "raise"
    pool_manager: Any = None
    proxy: Optional[Proxy] = None
    proxy_headers: Optional[Mapping[str, str]] = None
    trust_env: bool = False
    verify_ssl: bool = True
    ca_certs: Optional[str] = None
    client_cert: Any = None
    max_response_bytes: ByteLimits = ByteLimits()
    shutdown_timeout: float = 2.0
    #: The query of every call, with ``{}`` where the session id goes.
    query: str = ""

    def transport(self) -> TransportSettings:
        """The part that opening connections is about."""
        return TransportSettings(
            verify_ssl=self.verify_ssl,
            ca_certs=self.ca_certs,
            client_cert=self.client_cert,
            proxy=self.proxy,
            proxy_headers=self.proxy_headers,
            trust_env=self.trust_env,
            pool_manager=self.pool_manager,
        )


class Call(NamedTuple):
    """The options of one call, checked.  Times are seconds here."""

    request: DeliveryRequest
    timeout: float
    target_cookie: Optional[str] = None
    target_location_hint: Any = None
    consumer_id: Optional[str] = None
    customer_ids: Any = None
    session_id: Optional[str] = None
    visitor: Any = None


def client_settings(options: Optional[Mapping[str, Any]], log: Log) -> ClientSettings:
    """The settings of a client; raises ``OptionError`` for the first option that cannot be used."""
    if not isinstance(options, Mapping) or not options.keys() - {"internal"}:
        raise OptionError(OPTIONS_REQUIRED, "options", "a dict")
    given = {name: value for name, value in options.items() if value is not None}
    if not given.get("client"):
        raise OptionError(CLIENT_REQUIRED, "client", "the client code")
    if not given.get("organization_id"):
        raise OptionError(ORG_ID_REQUIRED, "organization_id", "the organization id")
    _name_unknown(given, _CLIENT_OPTIONS, log)
    values = {name: parser(name, given[name]) for name, parser in _CLIENT_OPTIONS.items() if name in given}
    values.pop("internal", None)
    settings = ClientSettings(**values)
    settings = settings._replace(query=_query(settings))
    if settings.proxy is not None:
        settings = settings._replace(proxy=settings.proxy._replace(headers=settings.proxy_headers or {}))
    _try_tls(settings)
    if not settings.verify_ssl and settings.secure:
        log.warning("verify_ssl is False: anybody between here and the edge can read and change what is sent")
    return settings


def call_options(options: Optional[Mapping[str, Any]], settings: ClientSettings, log: Log) -> Call:
    """The options of one call, whatever it asks for; raises ``OptionError``."""
    if not options:
        raise OptionError(OPTIONS_REQUIRED, "options", "a dict")
    if not isinstance(options, Mapping):
        parse.refuse("options", "a dict", options)
    get = options.get
    request = get("request")
    if request is None and isinstance(get("events"), DeliveryRequest):
        log.info("The option `events` of a call holds a DeliveryRequest: it is taken as `request`")
        request = options["events"]
    if not isinstance(request, DeliveryRequest):
        raise OptionError(REQUEST_REQUIRED, "request", "a DeliveryRequest")
    if len(options) > 1:
        _check_call(options, settings, log)
    timeout = get("timeout")
    return Call(
        request,
        settings.timeout if timeout is None else _call_timeout("timeout", timeout),
        visitor_text(get("target_cookie")),
        get("target_location_hint"),
        get("consumer_id"),
        get("customer_ids"),
        _session_id(get("session_id")),
        get("visitor"),
    )


def check_offers(request: DeliveryRequest) -> None:
    """Raise ``OptionError`` for an ``execute`` or ``prefetch`` that asks for nothing."""
    execute = node(request.execute, ExecuteRequest, "request.execute")
    prefetch = node(request.prefetch, PrefetchRequest, "request.prefetch")
    if execute is not None and not _asks(execute, "page_load", "mboxes"):
        raise OptionError(EXECUTE_FIELDS_REQUIRED, "request.execute", "page_load or mboxes")
    if prefetch is not None and not _asks(prefetch, "views", "page_load", "mboxes"):
        raise OptionError(PREFETCH_FIELDS_REQUIRED, "request.prefetch", "views, page_load or mboxes")


def check_notifications(request: DeliveryRequest) -> None:
    """Raise ``OptionError`` for a request that brings neither notifications nor telemetry."""
    if not request.notifications and request.telemetry is None:
        raise OptionError(NOTIFICATIONS_REQUIRED, "request.notifications", "a list of Notification")


def visitor_text(value: Any) -> Optional[str]:
    """What a visitor's cookie or hint says; legacy WSGI code hands over bytes.  Anything else is ignored."""
    if not value or not isinstance(value, (str, bytes)):
        return None
    return six.ensure_str(value, "utf-8", "replace")


def _query(settings: ClientSettings) -> str:
    query = "imsOrgId={}&sessionId={{}}".format(quote(settings.organization_id, ""))
    return query if settings.version is None else query + "&version=" + quote(settings.version, "")


def _asks(part: Any, *names: str) -> bool:
    return any(getattr(part, name, None) for name in names)


def _check_call(options: Mapping[str, Any], settings: ClientSettings, log: Log) -> None:
    for name in options:
        if name not in _CALL_OPTIONS:
            _name_unknown(options, _CALL_OPTIONS, log)
    for name in ("callback", "err_callback"):
        value = options.get(name)
        if value is not None and not callable(value):
            raise OptionError(INVALID_CALLBACK, name, "a callable")
    if options.get("callback") is not None:
        raise NotAvailable(
            "callback: calls with a callback are not served by this version yet", "callback", "no callback"
        )
    method = options.get("decisioning_method")
    if method is not None:
        _decisioning_method("decisioning_method", method)
    consumer = options.get("consumer_id")
    if consumer is not None:
        parse.text("consumer_id", consumer)


def _session_id(value: Any) -> Optional[str]:
    if value is None or value in ("", b""):
        return None
    if isinstance(value, (str, bytes)):
        return six.ensure_str(value, "utf-8", "replace")
    return str(value)  # a number or a UUID, as 1.1.0 took them


def _decisioning_method(option: str, value: Any) -> DecisioningMethod:
    try:
        method = DecisioningMethod(value.value if isinstance(value, enum.Enum) else value)
    except ValueError:
        expected = ",".join(method.value for method in DecisioningMethod)
        raise OptionError(DECISIONING_METHOD_INVALID.format(expected), option, expected) from None
    if method is not DecisioningMethod.SERVER_SIDE:
        raise NotAvailable(
            "{}: {} decisioning is not served by this version yet".format(option, method.value), option, "server-side"
        )
    return method


def _retries(option: str, value: Any) -> RetryPolicy:
    if isinstance(value, urllib3.Retry):
        return RetryPolicy(
            attempts=_retry_total(value) + 1,
            statuses=frozenset(value.status_forcelist or RetryPolicy().statuses),
            base=float(value.backoff_factor) or RetryPolicy().base,
            respect_retry_after=value.respect_retry_after_header,
        )
    return RetryPolicy(attempts=parse.whole("a number of attempts", 1)(option, value))


def _retry_total(retry: urllib3.Retry) -> int:
    """How many retries a ``urllib3.Retry`` allows: the smallest of its numbers."""
    numbers = [number for number in (retry.total, retry.connect, retry.status) if isinstance(number, int)]
    return 0 if retry.total is False else max(0, min(numbers, default=RetryPolicy().attempts - 1))


def _proxy(option: str, value: Any) -> Proxy:
    expected = "[scheme://][user:password@]host:port with the scheme http, https or socks5"
    try:
        proxy = parse_proxy(parse.text(option, value))
    except ValueError:
        raise OptionError("{}: {} was expected".format(option, expected), option, expected) from None
    if proxy.scheme != "http":
        try:
            proxy_manager(proxy, tls_context(False, None, None))
        except ImportError:
            extra = "pip install target-python-sdk[socks]"
            raise OptionError("{}: a SOCKS proxy needs PySocks: {}".format(option, extra), option, extra) from None
    return proxy


def _byte_limits(option: str, value: Any) -> ByteLimits:
    count = parse.whole("a number of bytes", 1)
    if not isinstance(value, Mapping):
        limit = count(option, value)
        return ByteLimits(limit, limit, limit)
    for name in value:
        if name not in ByteLimits._fields:
            parse.refuse("{}[{!r}]".format(option, name), "one of " + ", ".join(ByteLimits._fields), name)
    return ByteLimits(**{name: count("{}[{!r}]".format(option, name), limit) for name, limit in value.items()})


def _logger(option: str, value: Any) -> Any:
    return parse.having("debug", "error")(option, value)


def _hint(option: str, value: Any) -> Any:
    if not isinstance(value, (str, bytes)):
        parse.refuse(option, "text", value)
    return visitor_text(value)


def _cache(option: str, value: Any) -> Any:
    return value if isinstance(value, str) or hasattr(value, "__fspath__") else parse.having("get", "set")(option, value)


def _breaker(option: str, value: Any) -> Any:
    return value if isinstance(value, Mapping) else parse.flag(option, value)


def _try_tls(settings: ClientSettings) -> None:
    """Raise ``OptionError`` now for certificates that could not be loaded later."""
    for option in ("ca_certs", "client_cert"):
        value = getattr(settings, option)
        if value is None or not settings.secure:
            continue
        try:
            tls_context(True, settings.ca_certs, value if option == "client_cert" else None)
        except OSError as error:  # ssl.SSLError is one
            expected = "PEM certificates that can be loaded"
            raise OptionError("{}: {} were expected".format(option, expected), option, expected) from error


def _name_unknown(given: Mapping[str, Any], known: Mapping[str, Any], log: Log) -> None:
    """Say once, in the log, which options nobody reads and what they may have been meant to be."""
    import difflib  # noqa: PLC0415 - wanted by mistakes only

    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(str(name), known, 1)
            log.warning(
                "The option %r is unknown and has no effect%s",
                name,
                "; did you mean {!r}?".format(nearest[0]) if nearest else "",
            )


_call_timeout = parse.milliseconds(1)

_CLIENT_OPTIONS: Dict[str, parse.Parser] = {
    "client": parse.matching(parse.DNS_LABEL, "a client code: letters, digits and inner hyphens, 63 at most,"),
    "organization_id": parse.text,
    "timeout": parse.milliseconds(1),
    "server_domain": parse.domain,
    "secure": parse.flag,
    "logger": _logger,
    "log_payloads": parse.flag,
    "target_location_hint": _hint,
    "property_token": parse.text,
    "environment_id": parse.whole("a whole number"),
    "version": parse.text,
    "decisioning_method": _decisioning_method,
    "events": parse.subscribers,
    "telemetry_enabled": parse.flag,
    "polling_interval": parse.milliseconds(0),
    "maximum_wait_ready": parse.milliseconds(0),
    "artifact_location": parse.url,
    "artifact_payload": parse.instance(Mapping, "a dict"),
    "artifact_format": parse.choice("json", "bin"),
    "artifact_cache": _cache,
    "environment": lambda option, value: parse.text(option, value).lower(),
    "cdn_environment": parse.text,
    "cdn_base_path": parse.matching(parse.CDN, "a host, with scheme and port where needed,"),
    "on_device_all_matching_rules_mboxes": parse.names,
    "max_workers": parse.whole("a number of threads", 1),
    "max_pending": parse.whole("a number of calls", 1),
    "queue_timeout": parse.milliseconds(1),
    "retries": _retries,
    "circuit_breaker": _breaker,
    "on_error": parse.choice("raise", "default"),
    "pool_manager": parse.having("request"),
    "proxy": _proxy,
    "proxy_headers": parse.headers,
    "trust_env": parse.flag,
    "verify_ssl": parse.flag,
    "ca_certs": parse.path,
    "client_cert": parse.certificate,
    "max_response_bytes": _byte_limits,
    "shutdown_timeout": parse.milliseconds(0),
    "internal": lambda option, value: value,  # 1.1.0's mark of a client made by ``create``
}

_CALL_OPTIONS = dict.fromkeys(
    (
        "request",
        "target_cookie",
        "target_location_hint",
        "consumer_id",
        "customer_ids",
        "session_id",
        "callback",
        "err_callback",
        "visitor",
        "visitor_cookie",
        "decisioning_method",
        "timeout",
        "events",
    )
)
