"""Between a WSGI request and the calls that are made for it.

A legacy application needs two lines: the application wrapped, and the options of a call
taken from the request's visit::

    application = TargetMiddleware(application)

    visit = environ["adobe.target"]
    target_client.get_offers(visit.options(request, callback=..., err_callback=...))

The visit knows the visitor's cookies, the page and the browser; it remembers the answers,
and the middleware sets their cookies.
"""

import re
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    TypeVar,
    cast,
    overload,
)

from target_python_sdk.integrations.wsgi_environ import ENVIRON_VARIABLES, context, request_cookies, scheme
from target_python_sdk.protocol import LOCATION_HINT_COOKIE, TARGET_COOKIE
from target_python_sdk.types import Context, DeliveryRequest
from target_tools.attributes_provider import AttributesProvider
from target_tools.errors import OptionError
from target_tools.logger import default_logger
from target_tools.uuids import random_uuid

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from target_python_sdk.delivery.option_types import (
        AttributesCallbackOptions,
        AttributesOptions,
        CallbackOptions,
        CallOptions,
    )

AnswerT = TypeVar("AnswerT")
Header = Tuple[str, str]

#: Where in the environ the visit is.
ENVIRON_KEY = "adobe.target"

#: The cookies of an envelope, by their keys there.
_COOKIES = {"target_cookie": TARGET_COOKIE, "target_location_hint_cookie": LOCATION_HINT_COOKIE}
#: What is written at most; browsers drop longer cookies.
_MAX_COOKIE_LENGTH = 4096

#: What may stand in a cookie's value: no space, quote, comma, semicolon, backslash, and no control character.
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]+", re.ASCII)
_DOMAIN = re.compile(r"\.?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})", re.ASCII)
_SAME_SITE = ("Lax", "Strict", "None")


class CookieOptions(NamedTuple):
    """How the visitor's cookies are set; their names, values and ages are the answer's, and their path is ``/``."""

    domain: Optional[str] = None
    """The domain whose hosts share them; None is the one host that sets them."""

    same_site: str = "Lax"
    """``Lax``, ``Strict``, or ``None`` for a page in a foreign frame, which browsers take by https only."""

    http_only: bool = False
    """Whether scripts are kept from them.  at.js in the page shares the cookies, and needs them."""

    secure: Optional[bool] = None
    """Whether they travel by https only; None: where the request did."""

    def header(self, name: str, value: str, max_age: int, https: bool) -> Header:
        """One cookie as a header."""
        parts = ["{}={}".format(name, value), "Max-Age={:d}".format(max_age), "Path=/"]
        parts += [] if self.domain is None else ["Domain=" + self.domain]
        parts += ["Secure"] if (https if self.secure is None else self.secure) else []
        parts += ["HttpOnly"] if self.http_only else []
        return "Set-Cookie", "; ".join([*parts, "SameSite=" + self.same_site])

    def validated(self) -> "CookieOptions":
        """This style; ``OptionError`` where it makes no header."""
        if self.domain is not None and not _DOMAIN.fullmatch(self.domain):
            raise OptionError("The domain of cookies is no host name", "domain", "a host name")
        if self.same_site not in _SAME_SITE:
            raise OptionError("SameSite of cookies is not known", "same_site", "Lax, Strict or None")
        return self


#: As browsers and at.js expect them.
DEFAULT_COOKIES = CookieOptions()


class WsgiVisit:
    """One request of a visitor, as far as Target is concerned: who it is, from where, and what was answered.

    ``trusted_proxies`` is how many proxies of your own stand in front of the server.  With 0 what
    ``X-Forwarded-…`` headers say is anybody's word, and not read.

    Threads may share a visit: answers that come by callback are remembered by a worker.
    """

    def __init__(
        self, environ: "Mapping[str, Any]", trusted_proxies: int = 0, cookies: CookieOptions = DEFAULT_COOKIES
    ) -> None:
        # No more is kept of the environ, which holds this: the two shall not hold one another.
        self._environ = {name: environ[name] for name in ENVIRON_VARIABLES if name in environ}
        self._proxies = trusted_proxies
        self._style = cookies
        self._sent = request_cookies(environ, _COOKIES.values())
        self._answered: Dict[str, Tuple[str, int]] = {}
        self._begun = False
        #: The session of the calls made for this request, where no cookie names one.
        self.session_id = random_uuid()

    @property
    def target_cookie(self) -> Optional[str]:
        """The value of the ``mbox`` cookie: of the newest answer, else as the browser sent it."""
        return self._latest_cookie(TARGET_COOKIE)

    @property
    def target_location_hint(self) -> Optional[str]:
        """The value of the ``mboxEdgeCluster`` cookie: of the newest answer, else as the browser sent it."""
        return self._latest_cookie(LOCATION_HINT_COOKIE)

    @property
    def https(self) -> bool:
        """Whether the browser asked by https."""
        return scheme(self._environ, self._proxies) == "https"

    @property
    def context(self) -> Context:
        """Page, browser and address of the visitor, for a request; a new one each time."""
        return context(self._environ, self._proxies)

    @overload
    def options(
        self, request: DeliveryRequest, *, callback: Callable[[Any], object], **more: Any
    ) -> "CallbackOptions": ...

    @overload
    def options(self, request: DeliveryRequest, *, callback: None = None, **more: Any) -> "CallOptions": ...

    @overload
    def options(
        self, request: None = None, *, callback: Callable[[Any], object], **more: Any
    ) -> "AttributesCallbackOptions": ...

    @overload
    def options(self, request: None = None, *, callback: None = None, **more: Any) -> "AttributesOptions": ...

    def options(
        self,
        request: Optional[DeliveryRequest] = None,
        *,
        callback: Optional[Callable[[Any], object]] = None,
        **more: Any,
    ) -> Any:
        """The options of a call for this visitor; ``more`` are further ones, and count for more than ours.

        The request goes out with the visit's context, as far as it has none of its own.  Without a request
        they are those of ``get_attributes``.  The answer to a ``callback`` is remembered before it is called;
        give the one that a call returns to :meth:`remember`.
        """
        options: Dict[str, Any] = {
            "request": self._with_context(DeliveryRequest() if request is None else request),
            "session_id": self.session_id,
            "target_cookie": self.target_cookie,
            "target_location_hint": self.target_location_hint,
        }
        if callback is not None:
            options["callback"] = self._wrap_callback(callback)
        return {**options, **more}

    def remember(self, answer: AnswerT) -> AnswerT:
        """The same answer, whose cookies the visitor will get: of several answers those of the last.

        It is the envelope of a call, or what ``get_attributes`` returned.
        """
        envelope: Any = answer.get_response() if isinstance(answer, AttributesProvider) else answer
        for key, name in _COOKIES.items():
            cookie = _valid_cookie(envelope.get(key) if isinstance(envelope, Mapping) else None)
            if cookie is not None:
                self._answered[name] = cookie
                if self._begun:
                    default_logger().debug("The cookie %s came when the headers had gone out: it is not set", name)
        return answer

    def cookie_headers(self) -> List[Header]:
        """One ``Set-Cookie`` header for each cookie that was answered."""
        answered = dict(self._answered)  # a copy, which no worker adds to
        return [self._style.header(name, *cookie, self.https) for name, cookie in answered.items()]

    def add_cookies_to(self, headers: List[Header]) -> List[Header]:
        """These headers of an answer and the cookies, except those that the application sets itself."""
        self._begun = True
        own = {value.partition("=")[0].strip() for name, value in headers if name.lower() == "set-cookie"}
        return headers + [ours for ours in self.cookie_headers() if ours[1].partition("=")[0] not in own]

    def _latest_cookie(self, name: str) -> Optional[str]:
        answered = self._answered.get(name)
        return self._sent.get(name) if answered is None else answered[0]

    def _with_context(self, request: Any) -> Any:
        """The request with what is known of its circumstances; what is no request is for the client to refuse."""
        if not isinstance(request, DeliveryRequest):
            return request
        ours, given = self.context, cast(Any, request.context)  # parts of a request may be dicts
        if given is None:
            return request.replace(context=ours)
        if not isinstance(given, Context):
            return request
        lacking = [name for name in ("address", "geo", "user_agent") if getattr(given, name) is None]
        return request.replace(context=given.replace(**{name: getattr(ours, name) for name in lacking}))

    def _wrap_callback(self, callback: Callable[[Any], object]) -> Callable[[Any], object]:
        return lambda answer: callback(self.remember(answer))


class TargetMiddleware:
    """A WSGI application whose requests each have a :class:`WsgiVisit` at ``environ["adobe.target"]``.

    The cookies of the answers that it remembers by the time ``start_response`` is called are set.
    The rest of the answer passes through untouched.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        *,
        trusted_proxies: int = 0,
        cookies: CookieOptions = DEFAULT_COOKIES,
    ) -> None:
        if not isinstance(trusted_proxies, int) or trusted_proxies < 0:
            raise OptionError("The number of trusted proxies is none", "trusted_proxies", "a number from 0")
        self._application = application
        self._proxies = trusted_proxies
        self._cookies = cookies.validated()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """The application's own answer, with the cookies."""
        visit = environ[ENVIRON_KEY] = WsgiVisit(environ, self._proxies, self._cookies)

        def start(
            status: str, headers: List[Header], exc_info: "Optional[OptExcInfo]" = None
        ) -> Callable[[bytes], object]:
            failed = () if exc_info is None else (exc_info,)
            return start_response(status, visit.add_cookies_to(headers), *failed)

        return self._application(environ, start)


def _valid_cookie(cookie: Any) -> Optional[Tuple[str, int]]:
    """Value and age of an answered cookie; None where they cannot stand in a header."""
    if not isinstance(cookie, Mapping):
        return None
    value, age = cookie.get("value"), cookie.get("max_age", cookie.get("maxAge"))
    if not isinstance(value, str) or len(value) > _MAX_COOKIE_LENGTH or not _COOKIE_VALUE.fullmatch(value):
        return None
    return (value, age) if isinstance(age, int) else None
