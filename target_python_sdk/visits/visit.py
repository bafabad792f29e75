"""The visitor, page and browser of one request to an application, and the calls for them.

A visit reads the visitor's cookies, page, browser and address from the request. It stores the cookies of answers for
the response. The integrations create visits; ``Visit.of`` creates one from the request of any framework.
"""

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union, cast, overload

from target_python_sdk.client_calls import ClientCalls
from target_python_sdk.offers import Cookie, Offer
from target_python_sdk.protocol import LOCATION_HINT_COOKIE, TARGET_COOKIE
from target_python_sdk.server_state import has_page_parts, script_text
from target_python_sdk.types import (
    Context,
    DeliveryRequest,
    DeliveryResponse,
    Notification,
    TargetDeliveryResponse,
)
from target_python_sdk.visits.browser_request import BrowserRequest
from target_python_sdk.visits.environ import ACCEPT_CH, environ_of, request_cookies
from target_python_sdk.visits.offers import Mbox, Offers, check_call_options, names_of, no_attributes, offers_request
from target_python_sdk.visits.reports import queue_call, reportable
from target_python_sdk.visits.response_headers import (
    CookieValue,
    Header,
    cookie_names,
    header_values,
    joined_value,
    private_cache_control,
    replace_header,
    valid_cookie,
    vary_with,
)
from target_python_sdk.visits.settings import DEFAULT_SETTINGS, VisitSettings
from target_tools.attributes_provider import AttributesProvider
from target_tools.callables import describe
from target_tools.errors import CallLost, ClientClosed, OptionError, QueueFull, TargetError
from target_tools.logger import default_logger
from target_tools.schema.model import deep_copy
from target_tools.uuids import random_uuid

if TYPE_CHECKING:
    from target_python_sdk.client import TargetClient
    from target_python_sdk.delivery.option_parsers import ResultT
    from target_python_sdk.delivery.option_types import (
        AttributesCallbackOptions,
        AttributesOptions,
        CallbackOptions,
        CallOptions,
        _CommonCallOptions,
    )
    from target_tools.typing_compat import Unpack

#: The names of the cookies in an answer, by their keys.
_COOKIES = {"target_cookie": TARGET_COOKIE, "target_location_hint_cookie": LOCATION_HINT_COOKIE}
#: The errors of calls that the client refused or lost. Calls with other errors return an answer without offers.
_UNSENT = (CallLost, ClientClosed, QueueFull)
#: The fields of the context that the visit fills in.
_CONTEXT_FIELDS = ("address", "browser", "client_hints", "geo", "user_agent")


class Visit(BrowserRequest):
    """One request of a visitor. Its methods make calls for this visitor. By default, they raise no ``DeliveryError``.

    ``environ`` is a WSGI environ; ``settings`` may also be the number of trusted proxies alone. Several threads may use
    a visit. For a call with a callback, a worker thread stores the cookies of the answer.
    """

    def __init__(self, environ: Mapping[str, Any], settings: Union[VisitSettings, int] = DEFAULT_SETTINGS) -> None:
        settings = VisitSettings(trusted_proxies=settings) if isinstance(settings, int) else settings
        super().__init__(environ, settings.trusted_proxies)
        self._settings = settings
        #: The latest values of the visitor's cookies.
        self._cookies = request_cookies(environ, _COOKIES.values())
        self._answered: Dict[str, CookieValue] = {}
        #: The latest answer with offers, and the latest one that at.js can take over.
        self._answer: Optional[TargetDeliveryResponse] = None
        self._page_answer: Optional[TargetDeliveryResponse] = None
        #: Whether the response depends on the visitor, because the application made a call.
        self._is_personal = False
        self._headers_sent = False
        self._is_bot: Optional[bool] = None
        #: The session id of the calls for this request, if no cookie contains one.
        self.session_id = random_uuid()
        self._consent: Optional[bool] = None
        if settings.has_consent is not None:
            self.consent = settings.has_consent(self)

    @classmethod
    def of(cls, request: Any, settings: Union[VisitSettings, int] = DEFAULT_SETTINGS) -> "Visit":
        """Return a visit for a request of Django, Flask, Starlette, FastAPI or Litestar.

        A WSGI environ and an ASGI scope are accepted, too.
        """
        environ = environ_of(request)
        if environ is None:
            expected = "a request of Django, Flask, Starlette, FastAPI or Litestar, a WSGI environ or an ASGI scope"
            raise OptionError(f"Invalid argument 'request': expected {expected}", "request", expected)
        return cls(environ, settings)

    @property
    def target_cookie(self) -> Optional[str]:
        """The value of the ``mbox`` cookie of the latest answer, or else of the request."""
        return self._cookies.get(TARGET_COOKIE)

    @property
    def target_location_hint(self) -> Optional[str]:
        """The value of the ``mboxEdgeCluster`` cookie of the latest answer, or else of the request."""
        return self._cookies.get(LOCATION_HINT_COOKIE)

    @property
    def consent(self) -> Optional[bool]:
        """Whether the visitor has consented; None: unknown, which counts as consent.

        With False, calls send nothing about the visitor, and no cookie is set. A value that is neither a bool nor None
        counts as False.
        """
        return self._consent

    @consent.setter
    def consent(self, value: Optional[bool]) -> None:
        given: Any = value
        self._consent = value if given is None or isinstance(given, bool) else False
        if self._consent is value:
            return
        text = "The consent of a visit must be True, False or None; a value of the type %s counts as False"
        default_logger().warning(text, type(given).__name__)

    @property
    def may_send(self) -> bool:
        """Whether calls may send data about the visitor: not if consent was refused, and not for a bot."""
        if self._is_bot is None:
            is_bot = self._settings.is_bot
            self._is_bot = is_bot is not None and bool(is_bot(self))
        return self._consent is not False and not self._is_bot

    # Calls

    @property
    def client(self) -> "TargetClient":
        """The client that the integration uses. Raises ``OptionError`` if there is none."""
        source: Any = self._settings.client
        client: Any = source() if callable(source) else source
        if client is None:
            problem = "this visit has no client; pass client=… to the integration"
            if source is not None:
                problem = f"{describe(source)} returned None; expected a TargetClient"
            raise OptionError(f"Invalid option 'client': {problem}", "client")
        found: TargetClient = client
        return found

    def offers(
        self,
        *mboxes: Mbox,
        views: Sequence[str] = (),
        page_load: bool = False,
        prefetch: bool = False,
        **options: "Unpack[_CommonCallOptions]",
    ) -> Offers:
        """Return the offers for mboxes, for views and for the page load, by one call.

        An mbox is a name, or a ``MboxRequest`` or a dict with further details such as ``parameters``. With
        ``prefetch``, displays are not counted until :meth:`display` reports them. Views are always prefetched.
        ``options`` are further options of ``get_offers``. If the call fails, all offers are falsy, and
        ``offers.error`` is the error.
        """
        call: Any = self._options_of_call(offers_request(mboxes, views, page_load, prefetch), options)
        try:
            return self._offers(mboxes, self.client.get_offers(call))
        except _UNSENT as error:
            self._log_unsent(error)
            return Offers(names_of(mboxes), None, error)

    async def offers_async(
        self,
        *mboxes: Mbox,
        views: Sequence[str] = (),
        page_load: bool = False,
        prefetch: bool = False,
        **options: "Unpack[_CommonCallOptions]",
    ) -> Offers:
        """Return the offers as :meth:`offers` does, without blocking the event loop."""
        # Copied, because the caller can change the arguments before the options are built.
        requested = [mbox if isinstance(mbox, str) else deep_copy(mbox) for mbox in mboxes]
        names = views if isinstance(views, str) else tuple(views)  # offers_request refuses text
        parts, given = (requested, names, page_load, prefetch), _copied(options)
        call = await self._in_turn(lambda: self._options_of_call(offers_request(*parts), given))
        try:
            return self._offers(requested, await self.client.get_offers_async(call))
        except _UNSENT as error:
            self._log_unsent(error)
            return Offers(names_of(requested), None, error)

    def attributes(self, *mboxes: str, **options: "Unpack[_CommonCallOptions]") -> AttributesProvider:
        """Return the JSON offers of ``mboxes`` as plain values. If the call fails, there are none."""
        call: Any = self._options_of_call(None, options)
        try:
            attributes: AttributesProvider = self.client.get_attributes(mboxes, call)
            return self.remember(attributes)
        except _UNSENT as error:
            self._log_unsent(error)
            return no_attributes(error)

    async def attributes_async(self, *mboxes: str, **options: "Unpack[_CommonCallOptions]") -> AttributesProvider:
        """Return the JSON offers as :meth:`attributes` does, without blocking the event loop."""
        given = _copied(options)
        call = await self._in_turn(lambda: self._options_of_call(None, given))
        try:
            return self.remember(await self.client.get_attributes_async(mboxes, call))
        except _UNSENT as error:
            self._log_unsent(error)
            return no_attributes(error)

    def display(self, *offers: Offer) -> None:
        """Report in the background that these prefetched offers were shown. Skip offers with nothing to report."""
        self.notify(*reportable(Offer.display, offers))

    def click(self, *offers: Offer) -> None:
        """Report in the background that these offers were clicked. Offers whose clicks are not measured are skipped."""
        self.notify(*reportable(Offer.click, offers))

    def notify(self, *notifications: Notification) -> None:
        """Send notifications in the background, for example with tokens that the page sends back.

        A failure is emitted as ``send_notification_error``. ``client.flush()`` waits for the notifications.
        """
        if notifications and self.may_send:
            options = self.options(DeliveryRequest(notifications=list(notifications)))
            queue_call(self.client, options)

    def server_state(self) -> str:
        """Return the latest answer with a page load or views for at.js, as JSON for a ``<script>`` element.

        The result is ``null`` if there is no such answer, for example because the call failed.
        """
        return "null" if self._page_answer is None else self._page_answer.server_state()

    def visitor_state(self) -> str:
        """Return the state for VisitorAPI.js, as JSON for a ``<script>`` element; ``null`` without an answer.

        The page calls ``Visitor.getInstance(organizationId, {serverState: …})`` with it.
        """
        return script_text(None if self._answer is None else self._answer.visitor_state)

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
        """Return the options for a call that you make with the client. Options in ``more`` take precedence.

        The visit's context fills missing fields of the request's context. Omit the request for ``get_attributes``.
        The cookies of the answer are stored before ``callback`` is called. Without a callback, pass the answer to
        :meth:`remember`.
        """
        self._is_personal = True
        options: Dict[str, Any] = {
            "request": self._completed(DeliveryRequest() if request is None else request),
            "session_id": self.session_id,
            "target_cookie": self.target_cookie,
            "target_location_hint": self.target_location_hint,
            "visitor_cookie": self.visitor_cookie,
        }
        if not self.may_send:
            options["consent"] = False
        if callback is not None:
            options["callback"] = lambda answer: callback(self.remember(answer))
        return {**options, **more}

    # The response to the browser

    def remember(self, answer: "ResultT") -> "ResultT":
        """Store ``answer`` and its cookies for the response, and return ``answer``.

        ``answer`` is the result of any call, including ``get_attributes``. A later answer replaces an earlier one.
        """
        self._is_personal = True
        envelope: Any = answer.get_response() if isinstance(answer, AttributesProvider) else answer
        if isinstance(envelope, TargetDeliveryResponse):
            response: Optional[DeliveryResponse] = envelope.get("response")
            if response is not None and (response.execute or response.prefetch):  # not the answer to notifications
                self._answer = envelope
                if has_page_parts(response):
                    self._page_answer = envelope
        for key, name in _COOKIES.items():
            cookie = valid_cookie(envelope.get(key) if isinstance(envelope, Mapping) else None)
            if cookie is not None:
                self._answered[name] = cookie
                self._cookies[name] = cookie[0]
                if self._headers_sent:
                    default_logger().debug("The cookie %s is not set, because the headers were already sent", name)
        return answer

    def cookies(self) -> List[Cookie]:
        """Return the cookies to set. There are none if ``may_send`` is False."""
        options = self._settings.cookies
        answered = dict(self._answered) if self.may_send else {}  # a copy, because a worker may add a cookie
        if answered:
            options._check_domain(self.url)
        secure = options.is_secure(self.https)
        return [Cookie(name, *cookie, "/", options.same_site, secure) for name, cookie in answered.items()]

    def cookie_headers(self) -> List[Header]:
        """Return a ``Set-Cookie`` header for each stored cookie."""
        header = self._settings.cookies.header
        return [header(each.name, each.value, each.max_age, self.https) for each in self.cookies()]

    def set_cookies(self, response: Any) -> None:
        """Set the cookies and the caching rules on a response of Django, Flask, Starlette or FastAPI.

        Cookies that the application sets itself are not changed. The integrations do this for each response.
        """
        self._headers_sent = True
        options = self._settings.cookies
        headers = getattr(response, "headers", response)  # a response of Django 3.1 and older has no such attribute
        own = cookie_names(header_values(headers, "Set-Cookie")) | set(getattr(response, "cookies", ()))
        for cookie in self.cookies():
            if cookie.name not in own:
                response.set_cookie(**cookie.as_kwargs(), domain=options.domain, httponly=options.http_only)
        for name, rule in self._header_rules():
            headers[name] = rule(", ".join(header_values(headers, name)))

    def add_headers_to(self, headers: List[Header]) -> List[Header]:
        """Return ``headers`` with the cookies, except those that the application sets itself, and the caching rules."""
        self._headers_sent = True
        own = cookie_names(value for name, value in headers if name.lower() == "set-cookie")
        added = headers + [ours for ours in self.cookie_headers() if ours[1].partition("=")[0] not in own]
        for name, rule in self._header_rules():
            replace_header(added, name, rule(joined_value(added, name)))
        return added

    def _header_rules(self) -> List[Tuple[str, Callable[[str], str]]]:
        """Return the headers to change, each with a function from its present value to the new one."""
        rules: List[Tuple[str, Callable[[str], str]]] = []
        if self._settings.cache_control and self._is_personal:
            rules += [("Cache-Control", private_cache_control), ("Vary", lambda value: vary_with(value, "Cookie"))]
        if self._settings.accept_client_hints:
            rules.append(("Accept-CH", lambda value: value or ACCEPT_CH))
        return rules

    # Requests

    async def _in_turn(self, build: Callable[[], Any]) -> Any:
        """Build the options of an awaited call now, or later if many calls start together."""
        client = self.client
        return await client._build_options(build) if isinstance(client, ClientCalls) else build()

    def _options_of_call(self, request: Optional[DeliveryRequest], options: Mapping[str, Any]) -> Any:
        """Return the options of a call that returns an answer without offers if it fails."""
        check_call_options(options, is_for_attributes=request is None)
        more: Any = {"on_error": "default", **options}
        return self.options(cast("Any", request), **more)

    def _log_unsent(self, error: TargetError) -> None:
        self.client._log.warning("A call of a visit is answered without offers: %s: %s", type(error).__name__, error)

    def _offers(self, mboxes: Sequence[Mbox], answer: TargetDeliveryResponse) -> Offers:
        return Offers(names_of(mboxes), self.remember(answer))

    def _completed(self, given: Any) -> Any:
        """Return the request with the visit's context and QA mode. The client rejects an invalid request later."""
        if not isinstance(given, DeliveryRequest):
            return given
        return given.replace(context=self._completed_context(given.context), qa_mode=given.qa_mode or self.qa_mode)

    def _completed_context(self, given: Any) -> Any:
        ours = self.context
        if given is None:
            return ours
        if not isinstance(given, Context):  # a dict, for example
            return given
        missing = [name for name in _CONTEXT_FIELDS if getattr(given, name) is None]
        return given.replace(**{name: getattr(ours, name) for name in missing})


def _copied(options: Any) -> Any:  # most calls have none
    return deep_copy(options) if options else options
