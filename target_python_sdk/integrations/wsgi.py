"""WSGI middleware that passes a visitor's cookies, page and browser to calls of the SDK.

Wrap the application, and take the options of a call from the visit of the request::

    application = TargetMiddleware(application)

    visit = environ["adobe.target"]
    target_client.get_offers(visit.options(request, callback=..., err_callback=...))

The visit reads the visitor's cookies, page, browser and address from the request. It stores the cookies of answers,
and the middleware sets them on the response.
"""

import re
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple, overload

from target_python_sdk.delivery.option_parsers import ResultT, reject
from target_python_sdk.integrations.wsgi_environ import ENVIRON_VARIABLES, context, request_cookies, scheme
from target_python_sdk.protocol import LOCATION_HINT_COOKIE, TARGET_COOKIE
from target_python_sdk.types import Context, DeliveryRequest
from target_tools.attributes_provider import AttributesProvider
from target_tools.logger import default_logger
from target_tools.typing_compat import Json
from target_tools.uuids import random_uuid

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from target_python_sdk.delivery.option_types import (
        AttributesCallbackOptions,
        AttributesOptions,
        CallbackOptions,
        CallOptions,
        _CommonCallOptions,
    )
    from target_tools.typing_compat import Unpack

Header = Tuple[str, str]

#: The key of the visit in the environ.
ENVIRON_KEY = "adobe.target"

#: The names of the cookies in an answer, by their keys.
_COOKIES = {"target_cookie": TARGET_COOKIE, "target_location_hint_cookie": LOCATION_HINT_COOKIE}
#: Maximum length of a cookie's value; browsers drop longer cookies.
_MAX_COOKIE_LENGTH = 4096

#: The characters of a cookie value, which must not end the value or the header.
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]+", re.ASCII)
_DOMAIN = re.compile(r"\.?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})", re.ASCII)
_SAME_SITE = ("Lax", "Strict", "None")


class CookieOptions(NamedTuple):
    """The attributes of the visitor's cookies. Their path is ``/``; names, values and ages come from the answer."""

    domain: Optional[str] = None
    """The domain whose hosts share the cookies; None limits them to the host that sets them."""

    same_site: str = "Lax"
    """``Lax``, ``Strict``, or ``None`` for a page in a frame of another site. ``None`` requires https."""

    http_only: bool = False
    """Whether scripts cannot read the cookies. at.js needs to read them."""

    secure: Optional[bool] = None
    """Whether the cookies are sent by https only; None: if the request came by https."""

    def header(self, name: str, value: str, max_age: int, https: bool) -> Header:
        """Return the ``Set-Cookie`` header of a cookie."""
        parts = [f"{name}={value}", f"Max-Age={max_age:d}", "Path=/"]
        parts += [] if self.domain is None else ["Domain=" + self.domain]
        parts += ["Secure"] if (https if self.secure is None else self.secure) else []
        parts += ["HttpOnly"] if self.http_only else []
        return "Set-Cookie", "; ".join([*parts, "SameSite=" + self.same_site])

    def validated(self) -> "CookieOptions":
        """Return these options, or raise ``OptionError`` if they are invalid."""
        if self.domain is not None and not _DOMAIN.fullmatch(self.domain):
            reject("domain", "a host name", self.domain)
        if self.same_site not in _SAME_SITE:
            reject("same_site", "'Lax', 'Strict' or 'None'", self.same_site)
        return self


#: The attributes that browsers and at.js expect.
DEFAULT_COOKIES = CookieOptions()


class WsgiVisit:
    """The visitor, page and browser of one request, and the cookies of the answers to it.

    ``trusted_proxies`` is the number of your own proxies in front of the server. With 0, ``X-Forwarded-…`` headers
    are untrusted and ignored.

    Several threads may use a visit; a worker stores the cookies of an answer that is passed to a callback.
    """

    def __init__(
        self, environ: "Mapping[str, Any]", trusted_proxies: int = 0, cookies: CookieOptions = DEFAULT_COOKIES
    ) -> None:
        # Copy the values: a reference to the environ, which refers to this object, would create a reference cycle.
        self._environ = {name: environ[name] for name in ENVIRON_VARIABLES if name in environ}
        self._proxies = trusted_proxies
        self._cookie_options = cookies
        #: The latest values of the visitor's cookies.
        self._cookies = request_cookies(environ, _COOKIES.values())
        self._answered: Dict[str, Tuple[str, int]] = {}
        self._headers_sent = False
        #: The session id of the calls for this request, if no cookie contains one.
        self.session_id = random_uuid()

    @property
    def target_cookie(self) -> Optional[str]:
        """Return the value of the ``mbox`` cookie of the latest answer, or else of the request."""
        return self._cookies.get(TARGET_COOKIE)

    @property
    def target_location_hint(self) -> Optional[str]:
        """Return the value of the ``mboxEdgeCluster`` cookie of the latest answer, or else of the request."""
        return self._cookies.get(LOCATION_HINT_COOKIE)

    @property
    def https(self) -> bool:
        """Return whether the browser used https."""
        return scheme(self._environ, self._proxies) == "https"

    @property
    def context(self) -> Context:
        """Return a new ``Context`` with the page, browser and address of the visitor."""
        return context(self._environ, self._proxies)

    @overload
    def options(
        self, request: DeliveryRequest, *, callback: Callable[[Any], object], **more: "Unpack[_CommonCallOptions]"
    ) -> "CallbackOptions": ...

    @overload
    def options(
        self, request: DeliveryRequest, *, callback: None = None, **more: "Unpack[_CommonCallOptions]"
    ) -> "CallOptions": ...

    @overload
    def options(
        self, request: None = None, *, callback: Callable[[Any], object], **more: "Unpack[_CommonCallOptions]"
    ) -> "AttributesCallbackOptions": ...

    @overload
    def options(
        self, request: None = None, *, callback: None = None, **more: "Unpack[_CommonCallOptions]"
    ) -> "AttributesOptions": ...

    def options(
        self,
        request: Optional[DeliveryRequest] = None,
        *,
        callback: Optional[Callable[[Any], object]] = None,
        **more: Any,
    ) -> Any:
        """Return the options of a call for this visitor; ``more`` are further options, which take precedence.

        The visit's context fills missing fields of the request's context. Omit the request for ``get_attributes``.
        The cookies of an answer are stored before ``callback`` is called. Pass an answer that a call returns to
        :meth:`remember`.
        """
        options: Dict[str, Any] = {
            "request": self._with_context(DeliveryRequest() if request is None else request),
            "session_id": self.session_id,
            "target_cookie": self.target_cookie,
            "target_location_hint": self.target_location_hint,
        }
        if callback is not None:
            options["callback"] = lambda answer: callback(self.remember(answer))
        return {**options, **more}

    def remember(self, answer: ResultT) -> ResultT:
        """Store the cookies of ``answer`` for the response, and return ``answer``.

        ``answer`` is the result of any call, including ``get_attributes``. A later answer replaces an earlier one.
        """
        envelope: Any = answer.get_response() if isinstance(answer, AttributesProvider) else answer
        for key, name in _COOKIES.items():
            cookie = _valid_cookie(envelope.get(key) if isinstance(envelope, Mapping) else None)
            if cookie is not None:
                self._answered[name] = cookie
                self._cookies[name] = cookie[0]
                if self._headers_sent:
                    default_logger().debug("The cookie %s is not set, because the headers were already sent", name)
        return answer

    def cookie_headers(self) -> List[Header]:
        """Return a ``Set-Cookie`` header for each stored cookie."""
        answered = dict(self._answered)  # a copy, because a worker may add a cookie
        return [self._cookie_options.header(name, *cookie, self.https) for name, cookie in answered.items()]

    def add_cookies_to(self, headers: List[Header]) -> List[Header]:
        """Return ``headers`` with the cookies, except those that the application sets itself."""
        self._headers_sent = True
        own = {value.partition("=")[0].strip() for name, value in headers if name.lower() == "set-cookie"}
        return headers + [ours for ours in self.cookie_headers() if ours[1].partition("=")[0] not in own]

    def _with_context(self, request: Any) -> Any:
        """Return the request with the visit's context; leave an invalid request for the client to refuse."""
        if not isinstance(request, DeliveryRequest):
            return request
        ours = self.context
        given: Any = request.context  # may be a dict
        if given is None:
            return request.replace(context=ours)
        if not isinstance(given, Context):
            return request
        missing = [name for name in ("address", "geo", "user_agent") if getattr(given, name) is None]
        return request.replace(context=given.replace(**{name: getattr(ours, name) for name in missing}))


class TargetMiddleware:
    """Wraps a WSGI application. Each request has a :class:`WsgiVisit` at ``environ["adobe.target"]``.

    The middleware sets the cookies that the visit has stored when the application calls ``start_response``.
    It does not change anything else in the response.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        *,
        trusted_proxies: int = 0,
        cookies: CookieOptions = DEFAULT_COOKIES,
    ) -> None:
        if not isinstance(trusted_proxies, int) or trusted_proxies < 0:
            reject("trusted_proxies", "a number of 0 or more", trusted_proxies)
        self._application = application
        self._proxies = trusted_proxies
        self._cookies = cookies.validated()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Call the application, and add the cookies to its response."""
        visit = environ[ENVIRON_KEY] = WsgiVisit(environ, self._proxies, self._cookies)

        def start(
            status: str, headers: List[Header], exc_info: "Optional[OptExcInfo]" = None
        ) -> Callable[[bytes], object]:
            failed = () if exc_info is None else (exc_info,)
            return start_response(status, visit.add_cookies_to(headers), *failed)

        return self._application(environ, start)


def _valid_cookie(cookie: Json) -> Optional[Tuple[str, int]]:
    """Return the value and the age of a cookie from an answer, or None if a header cannot contain them."""
    if not isinstance(cookie, Mapping):
        return None
    value, age = cookie.get("value"), cookie.get("max_age", cookie.get("maxAge"))
    if not isinstance(value, str) or len(value) > _MAX_COOKIE_LENGTH or not _COOKIE_VALUE.fullmatch(value):
        return None
    return (value, age) if isinstance(age, int) else None
