"""The offer of a matched rule, as responses contain it."""

from functools import reduce
from typing import AbstractSet, Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from target_python_sdk.decisioning.macros import Details
from target_python_sdk.decisioning.rule import CompiledRule, text_or_none
from target_python_sdk.types import (
    AnalyticsResponse,
    Geo,
    Metric,
    MetricType,
    Notification,
    NotificationMbox,
    Option,
)
from target_tools.errors import InvalidResponse
from target_tools.schema.model import copy_with
from target_tools.typing_compat import Json

Tokens = Mapping[str, Any]

#: Attributes of ``Geo``, by response token.
_GEO_TOKENS = {
    "geo.city": "city",
    "geo.country": "country_code",
    "geo.state": "state_code",
    "geo.latitude": "latitude",
    "geo.longitude": "longitude",
}

#: Stores the ``meta`` of a rule on one of its options, for ``Offer``.
keep_rule_meta: Callable[[Option, Mapping[str, Any]], None] = Option.__dict__["_rule_meta"].__set__


def geo_tokens(names: AbstractSet[str], geo: Geo) -> Tokens:
    """Return the response tokens in ``names`` that describe the visitor's location."""
    tokens = {token: getattr(geo, name) for token, name in _GEO_TOKENS.items() if token in names}
    return {token: value for token, value in tokens.items() if value is not None}


def execute_options(rule: CompiledRule, details: Details, geo: Optional[Tokens]) -> List[Option]:
    """Return the options for an execute request. Default content, with neither type nor content, is left out."""
    return [
        Option(type=option.type, content=option.content(rule.meta, details), response_tokens=_tokens(rule, geo))
        for option in rule.options
        if not option.is_default
    ]


def prefetch_options(rule: CompiledRule, details: Details, geo: Optional[Tokens]) -> List[Option]:
    """Return the options for a prefetch request, including default content, each with its event token."""
    return [
        Option(
            type=option.type,
            content=option.content(rule.meta, details),
            event_token=option.event_token,
            response_tokens=_tokens(rule, geo),
        )
        for option in rule.options
    ]


def _tokens(rule: CompiledRule, geo: Optional[Tokens]) -> Dict[str, Any]:
    tokens = rule.tokens()
    if geo:
        tokens.update(geo)
    return tokens


def metrics(rule: CompiledRule) -> List[Metric]:
    """Return all metrics of the offer."""
    return [_metric(document) for document in rule.metrics]


def click_metrics(rule: CompiledRule) -> Optional[List[Metric]]:
    """Return the click metrics of the offer, or None. Display metrics are left out."""
    if not rule.metrics:
        return None
    return [_metric(document) for document in rule.metrics if document.get("type") == "click"] or None


def _metric(document: Mapping[str, Any]) -> Metric:
    return Metric(
        type=document.get("type"),
        selector=document.get("selector"),
        event_token=text_or_none(document.get("eventToken")),
        analytics=_analytics(document.get("analytics")),
    )


def notification_state(rule: CompiledRule) -> Optional[str]:
    """Return the state that the display notification of a prefetched offer contains."""
    return text_or_none(rule.consequence.get("state"))


def analytics(rule: CompiledRule) -> Optional[AnalyticsResponse]:
    """Return the Analytics payload of the offer."""
    return _analytics(rule.consequence.get("analytics"))


def _analytics(document: Json) -> Optional[AnalyticsResponse]:
    if document is None or not isinstance(document, Mapping):  # isinstance is slow for abstract classes
        return None
    try:
        return AnalyticsResponse.from_dict(document)
    except InvalidResponse:  # ignore a malformed payload
        return None


def all_analytics(rules: Sequence[CompiledRule]) -> Optional[AnalyticsResponse]:
    """Return the Analytics payload of the offers of several activities."""
    payloads = [payload for payload in map(analytics, rules) if payload is not None]
    return reduce(merge_analytics, payloads) if payloads else None


def merge_analytics(first: AnalyticsResponse, second: AnalyticsResponse) -> AnalyticsResponse:
    """Return one Analytics payload for two activities: their values of ``tnta``, separated by a comma, as at the edge.

    Each value is listed once.
    """
    if first.payload is None or second.payload is None:
        return second if first.payload is None else first
    values = [value for payload in (first.payload, second.payload) for value in str(payload.tnta or "").split(",")]
    tnta = ",".join(dict.fromkeys(filter(None, values))) or None
    merged = {"pe": first.payload.pe or second.payload.pe, "tnta": tnta}
    return AnalyticsResponse.from_dict({"payload": merged})  # from_dict: the artifact's values may be of any type


def unique_by_token(metrics: List[Metric]) -> List[Metric]:
    """Return ``metrics`` without repeated event tokens."""
    by_token: Dict[Any, Metric] = {}
    for metric in metrics:
        by_token.setdefault(metric.event_token or id(metric), metric)
    return list(by_token.values())


class Display(NamedTuple):
    """The display of an offer, to be reported by a notification."""

    id: str
    impression_id: str
    #: Milliseconds since 1970.
    timestamp: int
    #: The event tokens of the options.
    tokens: List[str]
    mbox: str

    def notification(self) -> Notification:
        """Return the notification. It is not validated, because the name of the mbox may be too long."""
        own_id, impression_id, timestamp, tokens, name = self
        mbox = copy_with(_MBOX, name=name)
        return copy_with(
            _DISPLAY, id=own_id, impression_id=impression_id, timestamp=timestamp, tokens=tokens, mbox=mbox
        )


_DISPLAY, _MBOX = Notification(type=MetricType.DISPLAY), NotificationMbox()


class DecisionMode(NamedTuple):
    """How the offers of execute and prefetch requests differ."""

    name: str
    options: Callable[[CompiledRule, Details, Optional[Tokens]], List[Option]]
    #: Whether the engine reports the offers as displayed.
    reports_display: bool


EXECUTE = DecisionMode("execute", execute_options, True)
PREFETCH = DecisionMode("prefetch", prefetch_options, False)
