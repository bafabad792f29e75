"""Functions of 1.1.0 that turn the offers of an artifact into models of the response.

The SDK itself uses ``from_dict`` of the models instead.
"""

from typing import Any, List, Mapping, Optional

from target_python_sdk.types import Action, AnalyticsResponse, MboxResponse, Metric, Option

#: An mbox, an option or an action as a dict of the artifact.
Part = Mapping[str, Any]


def create_action(_action: Optional[Part]) -> Optional[Action]:
    """Return one change of a page, or None for an empty ``_action``."""
    return Action.from_dict(_action) if _action else None


def create_options(mbox: Optional[Part]) -> Optional[List[Option]]:
    """Return the options of an mbox with unchanged content, or None for an empty ``mbox``."""
    return [Option.from_dict(option) for option in mbox.get("options") or ()] if mbox else None


def create_metrics(mbox: Optional[Part]) -> Optional[List[Metric]]:
    """Return the metrics of an mbox without their analytics, or None for an empty ``mbox``."""
    return [Metric.from_dict({**metric, "analytics": None}) for metric in mbox.get("metrics") or ()] if mbox else None


def create_analytics_response(mbox: Optional[Part]) -> Optional[AnalyticsResponse]:
    """Return the analytics payload of an mbox, or None if it has none."""
    payload = ((mbox or {}).get("analytics") or {}).get("payload")
    return AnalyticsResponse.from_dict({"payload": payload}) if payload else None


def create_mbox_response(consequence: Part) -> MboxResponse:
    """Return the content of a rule as an mbox of the response."""
    return MboxResponse(
        index=consequence.get("index"),
        name=consequence.get("name"),
        options=create_options(consequence),
        metrics=create_metrics(consequence),
        analytics=create_analytics_response(consequence),
    )
