"""Which rules count for a property."""

from typing import Any, Callable, Mapping, Optional


def by_property_token(property_token: Optional[str]) -> Callable[[Mapping[str, Any]], bool]:
    """A filter of rules: those for that property, and those for all."""

    def belongs(rule: Mapping[str, Any]) -> bool:
        tokens = rule.get("propertyTokens")
        return not tokens or property_token in tokens

    return belongs
