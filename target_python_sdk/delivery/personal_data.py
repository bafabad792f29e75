"""Finds the values of a request that must not appear in messages of errors."""

from typing import Any, Iterator, List, Set

from target_python_sdk.delivery.prepare import PreparedRequest

#: Parts of a request whose texts may identify the visitor, by their wire names.
_PERSONAL_PARTS = frozenset({"address", "geo", "id", "parameters", "profileParameters"})
#: Shorter texts are masked nowhere, because they occur in ordinary words.
_MIN_LENGTH = 4


def personal_values(prepared: PreparedRequest) -> Set[str]:
    """Return the session id, the visitor's ids, addresses and parameters of a request."""
    found = {prepared.session.session_id}
    parts: List[Any] = [prepared.request.to_dict(by_alias=True, exclude_none=True)]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            for name, value in part.items():
                if name in _PERSONAL_PARTS:
                    found.update(_texts_of(value))
                else:
                    parts.append(value)
    return {text for text in found if len(text) >= _MIN_LENGTH}


def _texts_of(value: Any) -> Iterator[str]:
    """Return all texts inside a JSON value, without the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts_of(item)
