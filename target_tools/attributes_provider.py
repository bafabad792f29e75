"""JSON offers as plain values, as ``get_attributes`` returns them."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from target_tools.errors import AttributeNotFound

_MISSING: Any = object()


def attribute_not_exist(key_name: str, mbox_name: str) -> str:
    """Return the message of ``AttributeNotFound``."""
    return f"Attribute '{key_name}' does not exist for mbox '{mbox_name}'"


class AttributesProvider:
    """The values in the JSON offers of each mbox, by their keys.

    If several offers of an mbox have the same key, the last one counts: executed content comes after prefetched
    content, and options keep their order. ``indexed`` holds the values by mbox name, ``offers_response`` the
    envelope they were read from.
    """

    def __init__(self, offers_response: Mapping[str, Any]) -> None:
        self.offers_response = offers_response
        self.indexed = create_indexed(offers_response.get("response"))

    def get_value(self, mbox_name: str, key: str, default: Any = _MISSING) -> Any:
        """Return the value of ``key`` in the offers of ``mbox_name``.

        If no offer has the key, returns ``default``; without a default, raises ``AttributeNotFound``.
        """
        try:
            return self.indexed[mbox_name][key]
        except KeyError:
            if default is not _MISSING:
                return default
            raise AttributeNotFound(attribute_not_exist(key, mbox_name)) from None

    def as_object(self, mbox_name: Optional[str] = None) -> Dict[str, Any]:
        """Return a copy of the values of one mbox (``{}`` if it has none) or, without a name, those of each mbox."""
        if mbox_name is not None:
            return dict(self.indexed.get(mbox_name, {}))
        return {name: dict(offers) for name, offers in self.indexed.items()}

    def to_json(self) -> Dict[str, Any]:
        """Return the same as ``as_object()``. Target's SDKs for other languages use this name."""
        return self.as_object()

    def get_response(self) -> Mapping[str, Any]:
        """Return the envelope, as ``get_offers`` returns it."""
        return self.offers_response


def create_indexed(response: Any) -> Dict[str, Dict[str, Any]]:
    """Return the values of the JSON offers of a ``DeliveryResponse`` by mbox name.

    Offers that are not objects are skipped, and so are mboxes without a value, as in 1.1.0.
    """
    indexed: Dict[str, Dict[str, Any]] = {}
    for part in (getattr(response, "prefetch", None), getattr(response, "execute", None)):
        for mbox in getattr(part, "mboxes", None) or ():
            if mbox is None or not isinstance(mbox.name, str):
                continue  # responses are not validated, so a name may be missing or have another type
            for option in mbox.options or ():
                content = option.content if option is not None and option.type == "json" else None
                if content and isinstance(content, dict):
                    indexed.setdefault(mbox.name, {}).update(content)
    return indexed


# Names of 1.1.0


def get_attributes_callback(get_offers_resp: Mapping[str, Any]) -> AttributesProvider:
    """Return the JSON offers of an envelope as plain values."""
    return AttributesProvider(get_offers_resp)
