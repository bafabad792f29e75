"""JSON offers as plain values: what ``get_attributes`` returns."""

from typing import Any, Dict, Mapping, Optional

from target_tools.errors import AttributeNotFound

_MISSING: Any = object()


class AttributesProvider:
    """The keys of every mbox's JSON offers.

    Prefetched content comes first and executed content over it, options in order, so
    of two offers with the same key the later one counts.  ``indexed`` holds it all by
    mbox name, ``offers_response`` is the envelope it came in.
    """

    def __init__(self, offers_response: Any) -> None:
        self.offers_response = offers_response
        self.indexed = index_offers(offers_response)

    def get_value(self, mbox_name: str, key: str, default: Any = _MISSING) -> Any:
        """Return the value of ``key`` in the JSON offers of ``mbox_name``.

        If there is none, returns ``default``; without a default it raises ``AttributeNotFound``.
        """
        try:
            return self.indexed[mbox_name][key]
        except KeyError:
            if default is not _MISSING:
                return default
            raise AttributeNotFound("Attribute '{}' does not exist for mbox '{}'".format(key, mbox_name)) from None

    def as_object(self, mbox_name: Optional[str] = None) -> Dict[str, Any]:
        """A copy: of the offers of one mbox (``{}`` for an unknown one), or of all, by mbox name."""
        if mbox_name is not None:
            return dict(self.indexed.get(mbox_name, {}))
        return {name: dict(offers) for name, offers in self.indexed.items()}

    def to_json(self) -> Dict[str, Any]:
        """The same as ``as_object()``, as the siblings call it."""
        return self.as_object()

    def get_response(self) -> Any:
        """The envelope, as ``get_offers`` returns it."""
        return self.offers_response


def index_offers(envelope: Mapping[str, Any]) -> Dict[str, Dict[str, Any]]:
    """The JSON offers of an envelope by mbox name.  An offer that is no object has no keys to give."""
    indexed: Dict[str, Dict[str, Any]] = {}
    response = envelope.get("response")
    for part in (getattr(response, "prefetch", None), getattr(response, "execute", None)):
        for mbox in getattr(part, "mboxes", None) or ():
            if mbox is None or not isinstance(mbox.name, str):
                continue  # the wire's values are taken as they are, and this one has no place here
            offers = indexed.setdefault(mbox.name, {})
            for option in mbox.options or ():
                if option is not None and option.type == "json" and isinstance(option.content, dict):
                    offers.update(option.content)
    return indexed


# 1.1.0's names


def create_indexed(response: Any) -> Dict[str, Dict[str, Any]]:
    """The JSON offers of a ``DeliveryResponse`` by mbox name."""
    return index_offers({"response": response})


def get_attributes_callback(get_offers_resp: Any) -> AttributesProvider:
    """The offers of an envelope as plain values."""
    return AttributesProvider(get_offers_resp)
