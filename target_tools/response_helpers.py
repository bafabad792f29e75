"""1.1.0's readers of the offers in a rule artifact: camelCase dicts in, models of the response out.

:meth:`from_dict` of any model does the same for everything that comes from the wire.
"""

from typing import Any, List, Mapping, Optional

from target_python_sdk.types import (
    Action,
    AnalyticsPayload,
    AnalyticsResponse,
    MboxResponse,
    Metric,
    Option,
)

#: An mbox, an option or an action as an artifact has it.
Part = Mapping[str, Any]


def create_action(_action: Optional[Part]) -> Optional[Action]:
    """One change of a page; None of nothing."""
    if not _action:
        return None
    return Action(
        type=_action.get("type"),
        selector=_action.get("selector"),
        css_selector=_action.get("cssSelector"),
        content=_action.get("content"),
    )


def create_options(mbox: Optional[Part]) -> Optional[List[Option]]:
    """The options of an mbox, their content as it stands; None of nothing."""
    if not mbox:
        return None
    return [
        Option(
            type=option.get("type"),
            content=option.get("content"),
            event_token=option.get("eventToken"),
            response_tokens=option.get("responseTokens"),
        )
        for option in mbox.get("options") or ()
    ]


def create_metrics(mbox: Optional[Part]) -> Optional[List[Metric]]:
    """The metrics of an mbox, without their analytics; None of nothing."""
    if not mbox:
        return None
    return [
        Metric(type=metric.get("type"), selector=metric.get("selector"), event_token=metric.get("eventToken"))
        for metric in mbox.get("metrics") or ()
    ]


def create_analytics_response(mbox: Optional[Part]) -> Optional[AnalyticsResponse]:
    """What Analytics is to be told of an mbox, if there is anything."""
    payload = ((mbox or {}).get("analytics") or {}).get("payload")
    if not payload:
        return None
    return AnalyticsResponse(payload=AnalyticsPayload(pe=payload.get("pe"), tnta=payload.get("tnta")))


def create_mbox_response(consequence: Part) -> MboxResponse:
    """What a rule shows, as an mbox of the response."""
    return MboxResponse(
        index=consequence.get("index"),
        name=consequence.get("name"),
        options=create_options(consequence),
        metrics=create_metrics(consequence),
        analytics=create_analytics_response(consequence),
    )
