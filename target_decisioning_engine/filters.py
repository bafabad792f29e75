"""Filters rules by property."""

from typing import Any, Callable, Mapping, Optional


def by_property_token(property_token: Optional[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Return a filter for the rules that apply to a property, including those that apply to all properties."""

    def applies(rule: Mapping[str, Any]) -> bool:
        tokens = rule.get("propertyTokens")
        return not tokens or property_token in tokens

    return applies
