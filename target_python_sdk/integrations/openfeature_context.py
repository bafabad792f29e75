"""Converts the evaluation context of an OpenFeature evaluation to the request and the options of a call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Collection, Dict, Iterator, Mapping, NamedTuple, Optional, Tuple

from openfeature.exception import InvalidContextError, TargetingKeyMissingError

from target_python_sdk.delivery.conversion import convert_object, plain
from target_python_sdk.types import Address, ChannelType, Context, DeliveryRequest, Geo, VisitorId
from target_tools.error_text import OMITTED, invalid
from target_tools.errors import OptionError

if TYPE_CHECKING:
    from openfeature.evaluation_context import EvaluationContext

#: The attributes that are ids of the visitor. The targeting key is one of them.
IDS = ("tnt_id", "third_party_id", "marketing_cloud_visitor_id")
MAX_ID_LENGTH = 128
#: The attributes that describe the page and the browser.
_PAGE = ("url", "referring_url", "user_agent", "ip_address")
#: The attributes that are options of the call.
_OPTIONS = ("target_cookie", "target_location_hint", "session_id", "visitor_cookie")
#: The attributes and options that name the visitor.
_NAMES_VISITOR = frozenset({*IDS, "target_cookie", "visitor_cookie", "customer_ids"})
_PROFILE_PREFIX = "profile."


class ContextSettings(NamedTuple):
    """How a provider reads evaluation contexts."""

    #: Which of ``IDS`` the targeting key is.
    targeting_key: str = "third_party_id"
    #: Whether a context must name the visitor.
    requires_visitor: bool = True
    #: The names of attributes that are not sent.
    private_attributes: Collection[str] = ()


class CallContext(NamedTuple):
    """The parts of a call that come from the evaluation context."""

    visitor: VisitorId
    context: Context
    parameters: Optional[Dict[str, str]]
    profile_parameters: Optional[Dict[str, str]]
    #: Further options of the call.
    options: Mapping[str, Any]

    def with_request(self, **parts: Any) -> Dict[str, Any]:
        """Return the options of a call whose request has these ``parts``."""
        return {**self.options, "request": DeliveryRequest(id=self.visitor, context=self.context, **parts)}


def read_context(given: Optional[EvaluationContext], settings: ContextSettings) -> CallContext:
    """Return the parts of a call that ``given`` describes.

    Raises ``InvalidContextError`` for an invalid targeting key or attribute. The message does not show the value.
    Raises ``TargetingKeyMissingError`` if the context must name the visitor but does not.
    """
    private = settings.private_attributes
    attributes: Mapping[str, Any] = {} if given is None else given.attributes
    try:
        values = dict(convert_object("attributes", {k: v for k, v in attributes.items() if k not in private}))
    except OptionError as error:
        raise InvalidContextError(str(error)) from None
    known = {name: _text(name, values.pop(name)) for name in (*IDS, *_PAGE, *_OPTIONS) if name in values}
    known = {name: value for name, value in known.items() if value}
    if given is not None and given.targeting_key:
        known[settings.targeting_key] = _text("targeting_key", plain(given.targeting_key), "targeting_key")
    for name in IDS:
        if len(known.get(name, "")) > MAX_ID_LENGTH:
            place = "targeting_key" if name == settings.targeting_key else f"attributes[{name!r}]"
            raise _invalid(place, f"at most {MAX_ID_LENGTH} characters")
    options: Dict[str, Any] = {name: known[name] for name in _OPTIONS if name in known}
    if values.get("customer_ids"):
        options["customer_ids"] = values.pop("customer_ids")
    if settings.requires_visitor and _NAMES_VISITOR.isdisjoint([*known, *options]):
        raise TargetingKeyMissingError(
            "the evaluation context has no targeting key and no other id of the visitor, so Target would see a "
            "new visitor each time; pass require_targeting_key=False if that is intended"
        )
    visitor = VisitorId(
        tnt_id=known.get("tnt_id"),
        third_party_id=known.get("third_party_id"),
        marketing_cloud_visitor_id=known.get("marketing_cloud_visitor_id"),
    )
    texts = dict(_texts("", values))
    profile = {name[len(_PROFILE_PREFIX) :]: text for name, text in texts.items() if name.startswith(_PROFILE_PREFIX)}
    parameters = {name: text for name, text in texts.items() if not name.startswith(_PROFILE_PREFIX)}
    return CallContext(visitor, _page(known), parameters or None, profile or None, options)


def parameters_of(attributes: Mapping[str, Any], place: str) -> Dict[str, str]:
    """Return attributes as parameters: text by name. Raises ``OptionError``, which names the place."""
    return dict(_texts("", convert_object(place, attributes)))


def _page(known: Mapping[str, str]) -> Context:
    context = Context(channel=ChannelType.WEB, user_agent=known.get("user_agent"))
    try:
        if "url" in known or "referring_url" in known:
            context.address = Address(url=known.get("url"), referring_url=known.get("referring_url"))
    except (TypeError, ValueError):
        raise _invalid("attributes['url'] and attributes['referring_url']", "at most 4096 characters") from None
    try:
        if "ip_address" in known:
            context.geo = Geo(ip_address=known["ip_address"])
    except (TypeError, ValueError):
        raise _invalid("attributes['ip_address']", "an IPv4 or IPv6 address") from None
    return context


def _text(name: str, value: Any, place: str = "") -> str:
    """Return the value of an attribute that must be text; empty text if it is None."""
    if value is None or isinstance(value, str):
        return value or ""
    raise _invalid(place or f"attributes[{name!r}]", "text", value)


def _invalid(place: str, expected: str, got: object = OMITTED) -> InvalidContextError:
    return InvalidContextError(invalid(place, expected=expected, got=got, secret=True))


def _texts(prefix: str, values: Mapping[str, Any]) -> Iterator[Tuple[str, str]]:
    """Yield the names and the texts of JSON values, without None.

    An item of an object gets the name ``outer.inner``. A list becomes JSON.
    """
    for key, value in values.items():
        name = prefix + key
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, Mapping):
            yield from _texts(f"{name}.", value)
        elif value is not None:
            is_whole = isinstance(value, float) and value.is_integer()
            yield name, json.dumps(int(value) if is_whole else value, ensure_ascii=False)
