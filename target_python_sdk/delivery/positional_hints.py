"""Hints for values that are in the wrong field, because they were passed to a model's constructor by position."""

from typing import Any

from target_python_sdk.types import MboxRequest, MetricType
from target_tools.schema.model import Model


def positional_hint(model: Model, name: str, value: Any) -> str:
    """Return a hint if ``value``, which is invalid for the field ``name``, may have been passed by position."""
    fields, meant = model.__dict__, ""
    if name == "address" and isinstance(value, str):
        is_type = value in (MetricType.CLICK, MetricType.DISPLAY) and fields.get("type", "") is None
        meant = "name" if fields.get("name", "") is None else "type" if is_type else "url"
    elif name in ("page_load", "views") and isinstance(value, (list, tuple)):
        meant = "mboxes" if any(isinstance(item, MboxRequest) for item in value) else ""
    return f"did you mean {meant}=?" if meant else ""
