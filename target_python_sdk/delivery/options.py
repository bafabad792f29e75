"""Parses and validates client options.

All later code uses the frozen values that this module and :mod:`~target_python_sdk.delivery.call_options`
return, and never reads a dict of options. The user's dicts, requests and models are never changed.
"""

import os
from typing import TYPE_CHECKING, Any, Callable, Dict, FrozenSet, Mapping, NamedTuple, Optional, Tuple, Union, cast
from urllib.parse import quote

import urllib3

from target_python_sdk.delivery import option_parsers as parse
from target_python_sdk.delivery.conversion import Given, convert_object, plain, text_or_none
from target_python_sdk.delivery.legacy_messages import CLIENT_REQUIRED, OPTIONS_REQUIRED, ORG_ID_REQUIRED
from target_tools.enums import DecisioningMethod
from target_tools.error_text import suggestion
from target_tools.errors import OptionError
from target_tools.http.policies import BreakerPolicy, RetryPolicy
from target_tools.logger import Log

if TYPE_CHECKING:  # the transport is imported with the first client
    from target_tools.http.headers import Headers
    from target_tools.http.proxies import Proxy
    from target_tools.http.tls import ClientCert, TlsContexts
    from target_tools.http.transport import TransportSettings


class ByteLimits(NamedTuple):
    """Limits for the size of answers, in bytes after decompression."""

    delivery: int = 8 << 20
    artifact: int = 64 << 20
    geo: int = 64 << 10


class ClientSettings(NamedTuple):
    """The parsed options of a client. Times are in seconds."""

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
    events: Mapping[str, Callable[..., object]] = {}
    observers: Tuple[Callable[..., object], ...] = ()
    telemetry_enabled: bool = True
    polling_interval: float = 300.0
    maximum_wait_ready: float = 10.0
    artifact_location: Optional[str] = None
    artifact_payload: Optional[Mapping[str, Any]] = None
    artifact_format: Optional[str] = None
    artifact_cache: Any = None
    artifact_bypass_cache: bool = False
    environment: str = "production"
    cdn_environment: str = "production"
    cdn_base_path: str = "assets.adobetarget.com"
    on_device_all_matching_rules_mboxes: FrozenSet[str] = frozenset()
    escape_macros: bool = False
    max_workers: int = 32
    max_pending: int = 10000
    queue_timeout: float = 30.0
    retries: RetryPolicy = RetryPolicy()
    circuit_breaker: Optional[BreakerPolicy] = BreakerPolicy()
    on_error: str = "raise"
    headers: "Optional[Headers]" = None
    max_connections: int = 256
    keep_alive: float = 60.0
    pool_manager: Any = None
    proxy: "Optional[Proxy]" = None
    proxy_headers: Optional[Mapping[str, str]] = None
    trust_env: bool = False
    verify_ssl: bool = True
    ca_certs: Optional[str] = None
    client_cert: "ClientCert" = None
    max_response_bytes: ByteLimits = ByteLimits()
    shutdown_timeout: float = 2.0
    #: The query of every call, with ``{}`` in place of the session id.
    query: str = ""
    #: The TLS contexts that the options were checked with. Kept here, so that connections share them.
    tls: "Optional[TlsContexts]" = None

    def __repr__(self) -> str:
        return f"ClientSettings({self.client})"  # other options may be secret

    def transport(self) -> "TransportSettings":
        """Return the settings for opening connections."""
        from target_tools.http.transport import TransportSettings  # noqa: PLC0415 - imported with the first client

        return TransportSettings(
            verify_ssl=self.verify_ssl,
            ca_certs=self.ca_certs,
            client_cert=self.client_cert,
            proxy=self.proxy,
            proxy_headers=self.proxy_headers,
            trust_env=self.trust_env,
            pool_manager=self.pool_manager,
            max_idle=self.max_connections,
            idle_seconds=self.keep_alive,
            logger=self.logger,
        )


def client_settings(options: Optional[Mapping[str, Any]], log: Log) -> ClientSettings:
    """Return the settings of a client. Raises ``OptionError`` for the first invalid option."""
    if not isinstance(options, Mapping) or not options.keys() - {"internal"}:
        raise OptionError(OPTIONS_REQUIRED, "options", "a dict")
    given = parse.drop_empty(options)
    if given.get("maximum_wait_ready") == DEFAULT_MAXIMUM_WAIT_READY:
        del given["maximum_wait_ready"]
    parse.warn_unknown_options(given, _CLIENT_OPTIONS, log)
    if not given.get("client"):
        raise OptionError(CLIENT_REQUIRED, "client", "the client code")
    if not given.get("organization_id"):
        raise OptionError(ORG_ID_REQUIRED, "organization_id", "the organization id")
    settings = ClientSettings(**parse.parse_options(given, _CLIENT_OPTIONS, log))
    settings = settings._replace(query=_query(settings), tls=_checked_tls(settings, log))
    if settings.proxy is not None:
        headers = tuple((settings.proxy_headers or {}).items())
        settings = settings._replace(proxy=settings.proxy._replace(headers=headers))
    if not settings.organization_id.endswith("@AdobeOrg"):
        log.warning("The option 'organization_id' is %r, but should end with '@AdobeOrg'", settings.organization_id)
    parse.warn_unknown_events(settings.events, log)
    if not settings.verify_ssl and settings.secure:
        log.warning("verify_ssl is False: requests and answers can be read and changed in transit")
    return settings


def _query(settings: ClientSettings) -> str:
    query = f"imsOrgId={quote(settings.organization_id, '')}&sessionId={{}}"
    return query if settings.version is None else query + "&version=" + quote(settings.version, "")


def _retries(option: str, value: Union[parse.OptionValue, urllib3.Retry]) -> RetryPolicy:
    if isinstance(value, urllib3.Retry):
        return RetryPolicy().with_urllib3(value, (value.total, value.connect, value.status))
    return RetryPolicy(attempts=parse.integer("a number of attempts", 1)(option, value))


def _proxy(option: str, value: parse.OptionValue) -> "Proxy":
    from target_tools.http.proxies import EXPECTED, parse_proxy  # noqa: PLC0415 - imported with the first client

    try:
        proxy = parse_proxy(parse.text(option, value))
    except ValueError:
        parse.reject(option, EXPECTED, value)
    if proxy.scheme != "http":
        from target_tools.http.pool_managers import new_manager  # noqa: PLC0415 - imported with the first client
        from target_tools.http.tls import TlsContexts  # noqa: PLC0415 - imported with the first client

        new_manager(proxy, TlsContexts(False, None, None))  # raises if PySocks is not installed
    return proxy


def _byte_limits(option: str, value: parse.OptionValue) -> ByteLimits:
    count = parse.integer("a number of bytes", 1)
    if not isinstance(value, Mapping):
        limit = count(option, value)
        return ByteLimits(limit, limit, limit)
    return ByteLimits(**_parse_each(option, value, dict.fromkeys(ByteLimits._fields, count)))


def _parse_each(option: str, value: Mapping[Any, Any], parsers: Mapping[str, parse.Parser[Any]]) -> Dict[str, Any]:
    """Parse a dict of settings by name. Raises ``OptionError`` for an unknown name."""
    for name in value:
        if name not in parsers:
            problem = f"unknown name {name!r}{suggestion(name, parsers)}"
            parse.reject(option, "one of " + ", ".join(parsers), problem=problem)
    return {name: parsers[name](f"{option}.{name}", item) for name, item in value.items()}


def _artifact_payload(option: str, value: Given) -> Mapping[str, Any]:
    if isinstance(value, (str, bytes, os.PathLike)):
        parse.reject(option, "a dict", value, hint="for a path or a URL, use the option 'artifact_location'")
    return convert_object(option, value)


def _cache(option: str, value: parse.OptionValue) -> Any:
    value = plain(value)
    is_path = isinstance(value, str) or hasattr(value, "__fspath__")
    return value if is_path else parse.has_methods("get", "set")(option, value)


def _breaker(option: str, value: parse.OptionValue) -> Optional[BreakerPolicy]:
    if not isinstance(value, Mapping):
        return BreakerPolicy() if parse.boolean(option, value) else None
    parsers: Dict[str, parse.Parser[Any]] = {
        "failures": parse.integer("a number of failures", 1),
        "cooldown": parse.milliseconds(1),
        "rate": parse.number("failures per call", 0, 1),
        "window": parse.milliseconds(1),
        "probes": parse.integer("a number of calls", 1),
    }
    return BreakerPolicy(**_parse_each(option, value, parsers))


def _headers(option: str, value: parse.OptionValue) -> "Headers":
    if callable(value):
        return cast("Headers", value)
    from target_tools.http.headers import check_headers  # noqa: PLC0415 - imported with the first client

    if isinstance(value, Mapping):
        return check_headers({plain(name): plain(item) for name, item in value.items()})
    return check_headers(cast("Dict[str, str]", value))  # raises for a value of another type


def _checked_tls(settings: ClientSettings, log: Log) -> "Optional[TlsContexts]":
    """Return the TLS contexts with the certificate files, or None if none are given.

    Raises ``OptionError`` if a file cannot be loaded.
    """
    if not settings.secure or (settings.ca_certs is None and settings.client_cert is None):
        return None
    from target_tools.http.tls import CertificateFileError, TlsContexts  # noqa: PLC0415 - imported with the first client

    contexts = TlsContexts(settings.verify_ssl, settings.ca_certs, settings.client_cert, log)
    try:
        contexts.current()
    except CertificateFileError as error:
        message = f"Invalid option '{error.option}': {error}; expected {error.expected}"
        raise OptionError(message, error.option, error.expected) from error
    return contexts


#: 1.1.0's constant for "not given".
DEFAULT_MAXIMUM_WAIT_READY = -1

_CLIENT_OPTIONS: Dict[str, Optional[parse.Parser[Any]]] = {
    "internal": None,  # set by ``create``, as in 1.1.0
    "client": parse.client_code,
    "organization_id": parse.text,
    "timeout": parse.time_limit,
    "server_domain": parse.domain,
    "secure": parse.boolean,
    "logger": parse.has_methods("debug", "error"),
    "log_payloads": parse.boolean,
    "target_location_hint": parse.parser("text", text_or_none),
    "property_token": parse.text_or_integer,
    "environment_id": parse.integer("a whole number"),
    "version": parse.text_or_integer,
    "decisioning_method": parse.decisioning_method,
    "events": parse.subscribers,
    "observers": parse.observers,
    "telemetry_enabled": parse.boolean,
    "polling_interval": parse.milliseconds(0),
    "maximum_wait_ready": parse.time_limit,
    "artifact_location": parse.url_or_file,
    "artifact_payload": _artifact_payload,
    "artifact_format": parse.one_of("json", "bin"),
    "artifact_cache": _cache,
    "artifact_bypass_cache": parse.boolean,
    "environment": lambda option, value: parse.text(option, value).lower(),
    "cdn_environment": parse.text,
    "cdn_base_path": parse.cdn,
    "on_device_all_matching_rules_mboxes": parse.name_set,
    "escape_macros": parse.boolean,
    "max_workers": parse.integer("a number of threads", 1),
    "max_pending": parse.integer("a number of calls", 1),
    "queue_timeout": parse.time_limit,
    "retries": _retries,
    "circuit_breaker": _breaker,
    "on_error": parse.one_of("raise", "default"),
    "headers": _headers,
    "max_connections": parse.integer("a number of connections", 1),
    "keep_alive": parse.milliseconds(0),
    "pool_manager": parse.has_methods("request"),
    "proxy": _proxy,
    "proxy_headers": parse.headers,
    "trust_env": parse.boolean,
    "verify_ssl": parse.boolean,
    "ca_certs": parse.path,
    "client_cert": parse.certificate,
    "max_response_bytes": _byte_limits,
    "shutdown_timeout": parse.time_limit,
}
