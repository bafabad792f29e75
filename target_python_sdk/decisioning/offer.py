"""The offer of a rule that has won, as a response shows it."""

from typing import AbstractSet, Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from target_python_sdk.decisioning.parts import text
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.types import AnalyticsResponse, Geo, Metric, Option
from target_tools.errors import InvalidResponse

Tokens = Mapping[str, Any]

#: The tokens that tell where the visitor is, and the part of the place that each is.
_GEO_TOKENS = {
    "geo.city": "city",
    "geo.country": "country_code",
    "geo.state": "state_code",
    "geo.latitude": "latitude",
    "geo.longitude": "longitude",
}


def geo_tokens(wanted: AbstractSet[str], geo: Geo) -> Tokens:
    """The tokens among ``wanted`` that tell where the visitor is."""
    known = {token: getattr(geo, name) for token, name in _GEO_TOKENS.items() if token in wanted}
    return {token: value for token, value in known.items() if value is not None}


def execute_options(rule: CompiledRule, details: Any, geo: Optional[Tokens]) -> List[Option]:
    """What to show at once.  There is nothing to show in an option without type and content."""
    return [
        Option(type=one.type, content=one.content(rule.meta, details), response_tokens=_tokens(rule, geo))
        for one in rule.options
        if not one.is_default
    ]


def prefetch_options(rule: CompiledRule, details: Any, geo: Optional[Tokens]) -> List[Option]:
    """What to have ready, each option with the token that tells of its display; default content has one, too."""
    return [
        Option(
            type=one.type,
            content=one.content(rule.meta, details),
            event_token=one.event_token,
            response_tokens=_tokens(rule, geo),
        )
        for one in rule.options
    ]


def _tokens(rule: CompiledRule, geo: Optional[Tokens]) -> Dict[str, Any]:
    tokens = rule.tokens()
    if geo:
        tokens.update(geo)
    return tokens


def metrics(rule: CompiledRule) -> List[Metric]:
    """Everything to watch for."""
    return [_metric(found) for found in rule.metrics]


def click_metrics(rule: CompiledRule) -> List[Metric]:
    """The clicks to watch for; what is executed needs no notice of its display."""
    return [_metric(found) for found in rule.metrics if found.get("type") == "click"] if rule.metrics else []


def _metric(found: Mapping[str, Any]) -> Metric:
    return Metric(
        type=found.get("type"),
        selector=found.get("selector"),
        event_token=text(found.get("eventToken")),
        analytics=_analytics(found.get("analytics")),
    )


def notification_state(rule: CompiledRule) -> Optional[str]:
    """What goes back with the notification that a prefetched offer was displayed."""
    return text(rule.consequence.get("state"))


def analytics(rule: CompiledRule) -> Optional[AnalyticsResponse]:
    """What Analytics is to be told of the offer."""
    return _analytics(rule.consequence.get("analytics"))


def _analytics(found: Any) -> Optional[AnalyticsResponse]:
    if found is None:
        return None
    try:
        return AnalyticsResponse.from_dict(found)
    except InvalidResponse:  # nothing that could be told
        return None


def unique_by_token(found: List[Metric]) -> List[Metric]:
    """``found``, each event token once."""
    by_token: Dict[Any, Metric] = {}
    for metric in found:
        by_token.setdefault(metric.event_token or id(metric), metric)
    return list(by_token.values())


def _no_metrics(rule: CompiledRule) -> None:
    return None


class DecisionMode(NamedTuple):
    """The two ways to be shown."""

    name: str
    options: Callable[[CompiledRule, Any, Optional[Tokens]], List[Option]]
    metrics: Callable[[CompiledRule], Optional[List[Metric]]]
    #: Whether to be asked for is to be displayed.
    reports_display: bool


EXECUTE = DecisionMode("execute", execute_options, click_metrics, True)
#: A prefetched option is told of by its own token; only views keep their metrics.
PREFETCH = DecisionMode("prefetch", prefetch_options, _no_metrics, False)
