"""The envelope that a call returns: the edge's answer, the cookies to set, and values for the page."""

from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Generic,
    List,
    Literal,
    Mapping,
    Optional,
    Sequence,
    TypeVar,
    Union,
    overload,
)

from target_tools.error_text import invalid
from target_tools.schema.model import to_json
from target_tools.typing_compat import Json, TypedDict

from .experience_cloud import AnalyticsResponse
from .request import DeliveryRequest
from .response import DeliveryResponse
from .visitor import CustomerId, VisitorId

if TYPE_CHECKING:
    from target_python_sdk.offers import Cookie, Offer

    class SentRequest(DeliveryRequest):
        """The request of an answer. It always has a visitor."""

        id: VisitorId = VisitorId()  # pyright: ignore[reportIncompatibleVariableOverride]


T = TypeVar("T")


class TargetCookie(TypedDict):
    """A cookie for the visitor's browser."""

    name: str
    """Its name."""

    value: str
    """Its value."""

    maxAge: int
    """The maximum age, in seconds."""

    max_age: int
    """The same as ``maxAge``, under the documented name."""


class _OptionalMeta(TypedDict, total=False):
    stale: bool
    """True if the rule artifact is a saved copy that no download has confirmed yet; otherwise absent."""

    ignored: List[str]
    """The parts of the request that had no effect on-device: ``qa_mode``, ``preview``, ``order``; otherwise absent."""

    forced: Dict[str, str]
    """The experience of each activity that the option ``force`` names; otherwise absent."""

    consent: bool
    """False if the visitor has not consented, so that nothing about the visitor was sent; otherwise absent."""


class ResponseMeta(_OptionalMeta):
    """Metadata of the decisions."""

    decisioning_method: str
    """The method that was used."""

    remote_mboxes: List[str]
    """The mboxes that only the edge can decide."""

    remote_views: List[str]
    """The views that only the edge can decide."""


class _EnvelopeKey(Generic[T]):
    """A key of the envelope, as an attribute."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, envelope: None, owner: type) -> "_EnvelopeKey[T]": ...

    @overload
    def __get__(self, envelope: Dict[str, Any], owner: type) -> Optional[T]: ...

    def __get__(self, envelope: Optional[Dict[str, Any]], owner: type) -> "Union[_EnvelopeKey[T], T, None]":
        return self if envelope is None else envelope.get(self._name)

    def __set__(self, envelope: Dict[str, Any], value: Optional[T]) -> None:
        if value is None and self._name != "visitor_state":
            envelope.pop(self._name, None)
        else:
            envelope[self._name] = value


class _RequiredKey(_EnvelopeKey[T]):
    """A key that every answer of a client has, so its type is not Optional."""

    @overload
    def __get__(self, envelope: None, owner: type) -> "_RequiredKey[T]": ...

    @overload
    def __get__(self, envelope: Dict[str, Any], owner: type) -> T: ...

    def __get__(self, envelope: Optional[Dict[str, Any]], owner: type) -> Any:
        return super().__get__(envelope, owner)


class _RequestKey(_EnvelopeKey[DeliveryRequest]):
    """The key ``request``. Reading it returns a more precise type than the one that can be set."""

    @overload
    def __get__(self, envelope: None, owner: type) -> "_RequestKey": ...

    @overload
    def __get__(self, envelope: Dict[str, Any], owner: type) -> "SentRequest": ...

    def __get__(self, envelope: Optional[Dict[str, Any]], owner: type) -> Any:
        return super().__get__(envelope, owner)


class TargetDeliveryResponse(Dict[str, Any]):
    """The result of a call: a dict whose keys are also attributes.

    Keys without a value are left out, and their attributes are ``None``; only
    ``visitor_state`` is always present. Unknown keywords are ignored, as in 1.1.0.
    """

    visitor_state = _EnvelopeKey[Any]()
    """The state for the visitor object in the page."""

    request = _RequestKey()
    """The request that was sent or decided on-device, with its defaults filled in."""

    target_cookie = _RequiredKey[TargetCookie]()
    """The cookie with the session and the device id."""

    target_location_hint_cookie = _EnvelopeKey[TargetCookie]()
    """The cookie with the edge cluster."""

    analytics_details = _EnvelopeKey[List[AnalyticsResponse]]()
    """The values for Analytics, for each location."""

    trace = _EnvelopeKey[List[Dict[str, Any]]]()
    """Explanations of the decisions, for each location."""

    response_tokens = _EnvelopeKey[List[Dict[str, Any]]]()
    """The response tokens, for each option."""

    meta = _RequiredKey[ResponseMeta]()
    """Metadata of the decisions."""

    response = _RequiredKey[DeliveryResponse]()
    """The answer itself."""

    def __init__(
        self,
        *,
        visitor_state: Union[Mapping[str, Any], List[CustomerId], None] = None,
        request: Optional[DeliveryRequest] = None,
        target_cookie: Optional[TargetCookie] = None,
        target_location_hint_cookie: Optional[TargetCookie] = None,
        analytics_details: Optional[List[AnalyticsResponse]] = None,
        trace: Optional[List[Dict[str, Any]]] = None,
        response_tokens: Optional[List[Dict[str, Any]]] = None,
        meta: Optional[ResponseMeta] = None,
        response: Optional[DeliveryResponse] = None,
        session_id: Optional[str] = None,
        **_: Any,
    ) -> None:
        self["visitor_state"] = visitor_state
        if request is not None:
            self["request"] = request
        if target_cookie is not None:
            self["target_cookie"] = target_cookie
        if target_location_hint_cookie is not None:
            self["target_location_hint_cookie"] = target_location_hint_cookie
        if analytics_details is not None:
            self["analytics_details"] = analytics_details
        if trace is not None:
            self["trace"] = trace
        if response_tokens is not None:
            self["response_tokens"] = response_tokens
        if meta is not None:
            self["meta"] = meta
        if response is not None:
            self["response"] = response
        self.session_id = session_id
        """The session id of the call. It is only an attribute, because ``target_cookie`` contains it already."""
        self.error: Optional[Exception] = None
        """The error of a call that failed with ``on_error="default"``, or of the edge in a hybrid call."""

    def offer(self, mbox: str, index: Optional[int] = None) -> "Offer":
        """Return the offer for an mbox, which is falsy without content. A name that was not requested is logged once.

        If several mboxes of the request have the name, the offer has the content of all of them, or of the one with
        the given ``index``.
        """
        from target_python_sdk.offers import checked, mbox_offer  # noqa: PLC0415 - imported with the first answer that is read

        return checked(mbox_offer(self.response, mbox, index), self.request)

    def view(self, name: str, key: Optional[str] = None) -> "Offer":
        """Return the offer for a view, which is falsy without content. A name that was not requested is logged once."""
        from target_python_sdk.offers import checked, view_offer  # noqa: PLC0415 - imported with the first answer that is read

        return checked(view_offer(self.response, name, key), self.request)

    @property
    def page_load(self) -> "Offer":
        """The offer for the page load, falsy if there is none."""
        from target_python_sdk.offers import checked, page_load_offer  # noqa: PLC0415 - imported with the first answer that is read

        return checked(page_load_offer(self.response), self.request)

    def cookies(self, *, path: str = "/", same_site: str = "Lax", secure: bool = False) -> "List[Cookie]":
        """Return the cookies to set on the response to the visitor's browser::

            for cookie in answer.cookies(secure=True):
                response.set_cookie(**cookie.as_kwargs())

        The arguments are attributes of all cookies. The list is empty for a call with ``consent=False``. Raises
        ``OptionError`` for ``same_site="None"`` without ``secure=True``, because browsers drop such cookies.
        """
        from target_python_sdk.offers import (  # noqa: PLC0415 - imported with the first answer that is read
            Cookie,
            check_same_site,
        )

        check_same_site(same_site, secure)
        if (self.get("meta") or {}).get("consent") is False:
            return []
        return [
            Cookie(cookie["name"], cookie["value"], cookie["max_age"], path, same_site, secure)
            for cookie in (self.target_cookie, self.target_location_hint_cookie)
            if cookie is not None
        ]

    def server_state(self) -> str:
        """Return the state for at.js as JSON that is safe inside a ``<script>`` element; ``null`` if there is none.

        at.js 2.2 and newer reads it as ``window.targetGlobalSettings.serverState``, and then shows the executed page
        load and the prefetched views without making a call itself. Mboxes are not part of it.
        """
        from target_python_sdk.server_state import server_state  # noqa: PLC0415 - few applications use it

        return server_state(self.request, self.response)

    def to_json(self) -> Dict[str, Any]:
        """Return the envelope as JSON values, with models in the form of the Delivery API."""
        return {key: to_json(value) for key, value in self.items()}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let FastAPI return an envelope, in its JSON form."""
        from target_tools.schema.pydantic_support import schema_for  # noqa: PLC0415 - pydantic is optional

        return schema_for(cls, cls._from_json, cls.to_json)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Dict[str, Any]:
        """Describe the envelope in OpenAPI documents."""
        return {"title": cls.__name__, "type": "object"}

    @classmethod
    def _from_json(cls, value: Json) -> "TargetDeliveryResponse":
        raise ValueError("expected a TargetDeliveryResponse, as get_offers returns it")

    def __repr__(self) -> str:
        """Return what was decided, without the visitor's ids."""
        from target_python_sdk.offers import offers_of  # noqa: PLC0415 - imported with the first answer that is read

        meta, response = self.meta, self.response
        method = "" if meta is None else f" {meta['decisioning_method']}"
        if meta is not None and meta.get("consent") is False:
            is_decided = response is not None and response.status is not None
            method = f"{method if is_decided else ''} consent=False"
        status = "" if response is None else f" status={response.status} request_id={response.request_id!r}"
        error = "" if self.error is None else f" error={type(self.error).__name__}"
        lines = [f"<TargetDeliveryResponse{method}{status}{error}>"]
        for offer in offers_of(response):
            lines.append(f"  {offer!r}")
        return "\n".join(lines)

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, key: Literal["request"]) -> SentRequest: ...
        @overload
        def __getitem__(self, key: Literal["response"]) -> DeliveryResponse: ...
        @overload
        def __getitem__(self, key: Literal["target_cookie", "target_location_hint_cookie"]) -> TargetCookie: ...
        @overload
        def __getitem__(self, key: Literal["analytics_details"]) -> List[AnalyticsResponse]: ...
        @overload
        def __getitem__(self, key: Literal["trace", "response_tokens"]) -> List[Dict[str, Any]]: ...
        @overload
        def __getitem__(self, key: Literal["meta"]) -> ResponseMeta: ...
        @overload
        def __getitem__(self, key: str) -> Any: ...
        def __getitem__(self, key: str) -> Any: ...

    else:  # type checkers would accept any name

        def __missing__(self, key: Any) -> Any:
            is_misspelled = isinstance(key, str) and key not in _KEYS
            raise KeyError(_not_found(self, "key", key, _KEYS) if is_misspelled else key)

        def __getattr__(self, name: str) -> Any:
            known = () if name.startswith("_") else _ATTRIBUTES
            raise AttributeError(_not_found(self, "attribute", name, known))

    def copy(self) -> "TargetDeliveryResponse":
        """Return a shallow copy of the same class."""
        envelope = type(self).__new__(type(self))
        envelope.update(self)
        envelope.__dict__.update(self.__dict__)
        return envelope


def _not_found(envelope: TargetDeliveryResponse, kind: str, name: str, known: Sequence[str]) -> str:
    """Return the message about an attribute or a key that an envelope does not have."""
    problem = f"{type(envelope).__name__!r} object has no {kind} {name!r}"
    if name in DeliveryResponse.attribute_map:
        return invalid("", problem, hint=f"did you mean 'response.{name}'?")
    return invalid("", problem, name=name, known=known)


#: The names to suggest for a misspelled key.
_KEYS = [name for name, value in vars(TargetDeliveryResponse).items() if isinstance(value, _EnvelopeKey)]
#: The names to suggest for a misspelled attribute.
_ATTRIBUTES = [name for name in vars(TargetDeliveryResponse) if not name.startswith("_")]
