"""One HTTP request and its answer, for an ``ApiClient``: over the SDK's transport, within a deadline and a size."""

import io
import weakref
from typing import TYPE_CHECKING, Any, Mapping, Optional

import urllib3

from delivery_api_client.configuration import Configuration
from delivery_api_client.http_request import Headers, Pairs, Timeout, http_request, seconds
from target_python_sdk.delivery.option_parsers import headers as parse_headers
from target_python_sdk.delivery.wire_log import Logged
from target_tools.clock import Deadline
from target_tools.concurrency.per_process import PerProcess
from target_tools.errors import HttpStatusError, OptionError, RedirectRefused
from target_tools.http.messages import HttpReply, HttpRequest
from target_tools.http.policies import RetryPolicy
from target_tools.http.proxies import Proxy, parse_proxy
from target_tools.http.retries import RetryingSender
from target_tools.logger import Log

if TYPE_CHECKING:  # the transport is read with the first request
    from target_tools.http.transport import TransportSettings

#: What urllib3 did for 1.1.0, unasked: three more tries to connect, and no status that is asked about again.
RETRIES_OF_1_1_0 = RetryPolicy(attempts=4, statuses=frozenset())


class RESTResponse:
    """An answer: ``status``, ``reason``, and ``data`` as text."""

    def __init__(self, resp: Any) -> None:
        self.urllib3_response = resp
        self.status: int = resp.status
        self.reason: str = resp.reason
        self.data: str = resp.data.decode("utf-8", "replace")

    def getheaders(self) -> Mapping[str, str]:
        """The headers; their names in any case."""
        headers: Mapping[str, str] = self.urllib3_response.headers
        return headers

    def getheader(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """One of them."""
        return self.getheaders().get(name, default)


class RESTClientObject:
    """Sends requests.  Keeps its connections, a set of them in each process; takes no lock.

    ``pools_size`` and ``maxsize`` were of 1.1.0's urllib3 and are without effect.
    """

    def __init__(
        self,
        configuration: Configuration,
        pools_size: int = 4,
        maxsize: Optional[int] = None,
    ) -> None:
        self._configuration = configuration
        self._log = Log(configuration.logger["package_logger"])
        policy = retry_policy(configuration.retries)
        _proxy(configuration)  # says now what cannot be used
        if not configuration.verify_ssl:
            self._log.warning("verify_ssl is False: anybody on the way to the server can read and change what is sent")
        self._ways = PerProcess(lambda _: _Way(configuration, policy), abandon=_Way.abandon)

    def request(  # noqa: PLR0917 - 1.1.0's order
        self,
        method: str,
        url: str,
        query_params: Pairs = None,
        headers: Headers = None,
        body: Any = None,
        post_params: Pairs = None,
        _preload_content: bool = True,
        _request_timeout: Timeout = None,
    ) -> Any:
        """The answer; a urllib3 response in place of ours without ``_preload_content``.

        Raises a :class:`~target_python_sdk.errors.DeliveryError` where there is none, and an
        ``ApiException`` for a status that is none.
        """
        asked = http_request(
            method, url, query_params=query_params, headers=headers, body=body, post_params=post_params
        )
        raw = as_urllib3(self.send(asked, seconds(_request_timeout)))
        return RESTResponse(raw) if _preload_content else raw

    def send(self, asked: HttpRequest, timeout: float) -> HttpReply:
        """The answer to a request that was checked, within that many seconds; its status is a 2xx."""
        way = self._ways.get()
        spoken = Logged(way.send, self._log, self._configuration.debug)
        reply = spoken(asked, Deadline.after(timeout))
        if not 200 <= reply.status < 300:
            refused = RESTResponse(as_urllib3(reply))
            kind = RedirectRefused if 300 <= reply.status < 400 else HttpStatusError
            raise kind(reply.status, reply.reason, refused.getheaders(), refused.data)
        return reply

    def close(self) -> None:
        """Hang up.  A request that comes later opens a connection again."""
        way = self._ways.pop()
        if way is not None:
            way.transport.close()

    def GET(self, url: str, headers: Headers = None, query_params: Pairs = None, **options: Any) -> Any:
        """Ask for ``url``."""
        return self.request("GET", url, query_params, headers, **options)

    def HEAD(self, url: str, headers: Headers = None, query_params: Pairs = None, **options: Any) -> Any:
        """Ask for its headers."""
        return self.request("HEAD", url, query_params, headers, **options)

    def OPTIONS(self, url: str, headers: Headers = None, query_params: Pairs = None, **options: Any) -> Any:
        """Ask what can be done with it."""
        return self.request("OPTIONS", url, query_params, headers, **options)

    def POST(self, url: str, headers: Headers = None, query_params: Pairs = None, **options: Any) -> Any:
        """Send ``body`` there."""
        return self.request("POST", url, query_params, headers, **options)

    def PUT(self, url: str, headers: Headers = None, query_params: Pairs = None, **options: Any) -> Any:
        """Put ``body`` there."""
        return self.request("PUT", url, query_params, headers, **options)

    def PATCH(self, url: str, headers: Headers = None, query_params: Pairs = None, **options: Any) -> Any:
        """Change it by ``body``."""
        return self.request("PATCH", url, query_params, headers, **options)

    def DELETE(self, url: str, headers: Headers = None, query_params: Pairs = None, **options: Any) -> Any:
        """Take it away."""
        return self.request("DELETE", url, query_params, headers, **options)


class _Way:
    """The way to a server, in one process."""

    def __init__(self, configuration: Configuration, policy: RetryPolicy) -> None:
        from target_tools.http.transport import Transport  # noqa: PLC0415 - as above

        self.transport = Transport(transport_settings(configuration))
        self.send = RetryingSender(self.transport.send, policy)
        # A client that nobody closed hangs up when it is collected, or at exit.
        weakref.finalize(self, self.transport.close)

    def abandon(self) -> None:
        """Let go, in a forked child, of the sockets that belong to the parent."""
        self.transport.discard_inherited()


def transport_settings(configuration: Configuration) -> "TransportSettings":
    """How connections are opened.  Raises ``OptionError`` for a proxy that cannot be used."""
    from target_tools.http.transport import TransportSettings  # noqa: PLC0415 - as above

    cert = configuration.cert_file
    return TransportSettings(
        verify_ssl=bool(configuration.verify_ssl),
        ca_certs=configuration.ssl_ca_cert,
        client_cert=(cert, configuration.key_file) if cert and configuration.key_file else cert,
        proxy=_proxy(configuration),
        logger=configuration.logger["package_logger"],
        assert_hostname=configuration.assert_hostname,
    )


def _proxy(configuration: Configuration) -> Optional[Proxy]:
    if not configuration.proxy:
        return None
    headers = parse_headers("proxy_headers", configuration.proxy_headers or {})
    try:
        return parse_proxy(configuration.proxy, headers)
    except (TypeError, ValueError):
        expected = "[scheme://][user:password@]host:port with the scheme http, https or socks5"
        raise OptionError("proxy: {} was expected".format(expected), "proxy", expected) from None


def retry_policy(retries: Any) -> RetryPolicy:
    """How often a request is sent, from what urllib3 takes for it: None, False, a number or a ``Retry``."""
    if retries is None or retries is True:
        return RETRIES_OF_1_1_0
    if not isinstance(retries, urllib3.Retry):
        return RETRIES_OF_1_1_0._replace(attempts=int(retries) + 1)
    numbers = [number for number in (retries.total, retries.connect) if isinstance(number, int)]
    return RetryPolicy(
        attempts=max(0, min(numbers, default=3)) + 1,
        statuses=frozenset(retries.status_forcelist or ()),
        initial_delay=float(retries.backoff_factor),
        max_delay=float(getattr(retries, "backoff_max", 120.0)),
        respect_retry_after=retries.respect_retry_after_header,
    )


def as_urllib3(reply: HttpReply) -> urllib3.HTTPResponse:
    """The same answer as 1.1.0's transport had it; the bytes are all here."""
    headers: Any = list(reply.headers.items())  # one that came twice is there twice
    return urllib3.HTTPResponse(
        body=io.BytesIO(reply.body),
        headers=headers,
        status=reply.status,
        reason=reply.reason,
        preload_content=False,
        decode_content=False,
        enforce_content_length=False,
    )
