"""Sends the HTTP requests of an ``ApiClient`` through the SDK's transport, with a deadline and a size limit."""

import io
import weakref
from typing import Any, Callable, Mapping, Optional

import urllib3

from delivery_api_client.configuration import Configuration
from delivery_api_client.http_request import Body, Headers, Pairs, Timeout, http_request, seconds
from target_python_sdk.delivery.exchange import PayloadLogger
from target_python_sdk.delivery.option_parsers import headers as parse_headers
from target_tools.clock import Deadline
from target_tools.concurrency.lock_free import PerProcess
from target_tools.errors import HttpStatusError, OptionError, RedirectRefused
from target_tools.http.messages import HttpReply
from target_tools.http.policies import RetryPolicy
from target_tools.http.proxies import EXPECTED, Proxy, parse_proxy
from target_tools.http.retries import RetryingSender
from target_tools.logger import Log

#: urllib3's defaults, which 1.1.0 used: three retries of failed connections, none because of a status.
RETRIES_OF_1_1_0 = RetryPolicy(attempts=4, statuses=frozenset())


class RESTResponse:
    """A response with its ``status``, its ``reason``, and its body as text in ``data``."""

    def __init__(self, resp: Any) -> None:
        self.urllib3_response = resp
        self.status: int = resp.status
        self.reason: str = resp.reason
        self.data: str = resp.data.decode("utf-8", "replace")

    def getheaders(self) -> Mapping[str, str]:
        """Return the headers, a mapping whose keys are case-insensitive."""
        headers: Mapping[str, str] = self.urllib3_response.headers
        return headers

    def getheader(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """Return the value of a header."""
        return self.getheaders().get(name, default)


def _verb(method: str) -> Callable[..., Any]:
    """Return a function for ``RESTClientObject`` that sends requests with this HTTP method."""

    def send(
        self: "RESTClientObject", url: str, headers: Headers = None, query_params: Pairs = None, **options: Any
    ) -> Any:
        return self.request(method, url, query_params, headers, **options)

    return send


class RESTClientObject:
    """Sends requests. Keeps connections open, separately in each process.

    ``pools_size`` and ``maxsize`` have no effect.
    """

    def __init__(self, configuration: Configuration, pools_size: int = 4, maxsize: Optional[int] = None) -> None:
        self._configuration = configuration
        self._log = Log(configuration.logger["package_logger"])
        policy = retry_policy(configuration.retries)
        _proxy(configuration)  # raises if the proxy is invalid
        if not configuration.verify_ssl:
            self._log.warning("verify_ssl is False: anyone on the network can read and change what is sent")
        self._transports = PerProcess(
            lambda _: _ProcessTransport(configuration, policy),
            abandon=lambda inherited: inherited.transport.discard_inherited(),
        )

    def request(  # noqa: PLR0917 - 1.1.0's order
        self,
        method: str,
        url: str,
        query_params: Pairs = None,
        headers: Headers = None,
        body: Body = None,
        post_params: Pairs = None,
        _preload_content: bool = True,
        _request_timeout: Timeout = None,
    ) -> Any:
        """Send a request and return its response, a urllib3 response if ``_preload_content`` is False.

        Raises a :class:`~target_python_sdk.errors.DeliveryError` if there is no response, and an ``ApiException``
        if its status is not 2xx.
        """
        prepared = http_request(
            method, url, query_params=query_params, headers=headers, body=body, post_params=post_params
        )
        send = PayloadLogger(self._transports.get().send, self._log, self._configuration.debug)
        reply = send(prepared, Deadline.after(seconds(_request_timeout)))
        raw = as_urllib3(reply)
        if not 200 <= reply.status < 300:
            error_type = RedirectRefused if 300 <= reply.status < 400 else HttpStatusError
            raise error_type(reply.status, reply.reason, raw.headers, RESTResponse(raw).data)
        return RESTResponse(raw) if _preload_content else raw

    def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        process_transport = self._transports.pop()
        if process_transport is not None:
            process_transport.transport.close()

    GET = _verb("GET")
    HEAD = _verb("HEAD")
    OPTIONS = _verb("OPTIONS")
    POST = _verb("POST")
    PUT = _verb("PUT")
    PATCH = _verb("PATCH")
    DELETE = _verb("DELETE")


class _ProcessTransport:
    """The connections of one process."""

    def __init__(self, configuration: Configuration, policy: RetryPolicy) -> None:
        # Imported with the first request.
        from target_tools.http.transport import Transport, TransportSettings  # noqa: PLC0415

        cert, key = configuration.cert_file, configuration.key_file
        settings = TransportSettings(
            verify_ssl=bool(configuration.verify_ssl),
            ca_certs=configuration.ssl_ca_cert,
            client_cert=(cert, key) if cert and key else cert,
            proxy=_proxy(configuration),
            logger=configuration.logger["package_logger"],
            assert_hostname=configuration.assert_hostname,
        )
        self.transport = Transport(settings)
        self.send = RetryingSender(self.transport.send, policy)
        # If a client was not closed, close its connections when it is garbage-collected, or at exit.
        weakref.finalize(self, self.transport.close)


def _proxy(configuration: Configuration) -> Optional[Proxy]:
    if not configuration.proxy:
        return None
    headers = parse_headers("proxy_headers", configuration.proxy_headers or {})
    try:
        return parse_proxy(configuration.proxy, headers)
    except (TypeError, ValueError):
        raise OptionError(f"Invalid option 'proxy': expected {EXPECTED}", "proxy", EXPECTED) from None


def retry_policy(retries: Any) -> RetryPolicy:
    """Convert urllib3's values for retries: None, a boolean, a number or a ``urllib3.Retry``."""
    if retries is None or retries is True:
        return RETRIES_OF_1_1_0
    if not isinstance(retries, urllib3.Retry):
        return RETRIES_OF_1_1_0._replace(attempts=int(retries) + 1)
    return RETRIES_OF_1_1_0._replace(max_delay=120.0).with_urllib3(retries, (retries.total, retries.connect))


def as_urllib3(reply: HttpReply) -> urllib3.HTTPResponse:
    """Return ``reply`` as a urllib3 response whose body has been read."""
    headers: Any = list(reply.headers.items())  # keeps duplicates
    return urllib3.HTTPResponse(
        body=io.BytesIO(reply.body),
        headers=headers,
        status=reply.status,
        reason=reply.reason,
        preload_content=False,
        decode_content=False,
        enforce_content_length=False,
    )
