"""What an Experience Cloud visitor is asked, if the caller brought one.

Any object will do that has 1.1.0's methods: ``get_visitor_values()`` gives MCMID,
MCAAMLH and MCAAMB, ``get_state()`` what the page takes over, and
``get_supplemental_data_id(consumer)`` the id that stitches Analytics hits to the call.
"""

from typing import Any, Dict, List, Mapping, Optional

from target_python_sdk.delivery.identity import customer_ids
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_python_sdk.types import CustomerId

#: Sixteen hexadecimal digits, a hyphen, sixteen more.
SDID_LENGTH = 33


def visitor_values(visitor: Any) -> Mapping[str, Any]:
    """MCMID, MCAAMLH and MCAAMB, as far as the visitor knows them and the API would take them.

    They come out of a cookie, so what makes no sense is not there.
    """
    values = _ask(visitor, "get_visitor_values")
    if not isinstance(values, Mapping):
        return {}
    found = {
        "MCMID": _text(values.get("MCMID"), 128),
        "MCAAMLH": _positive(values.get("MCAAMLH")),
        "MCAAMB": _text(values.get("MCAAMB"), 1024),
    }
    return {name: value for name, value in found.items() if value is not None}


def visitor_customer_ids(visitor: Any) -> List[CustomerId]:
    """The customer ids in the visitor's state, in the spelling of VisitorAPI.js or in 1.1.0's."""
    found: List[CustomerId] = []
    state = visitor_state(visitor)
    for organization in state.values() if isinstance(state, Mapping) else ():
        if isinstance(organization, Mapping):
            ids = organization.get("customerIDs", organization.get("customer_ids"))
            if isinstance(ids, Mapping):
                found += customer_ids(ids)
    return found


def visitor_state(visitor: Any) -> Optional[Dict[str, Any]]:
    """What the page's VisitorAPI.js takes over."""
    state: Optional[Dict[str, Any]] = _ask(visitor, "get_state")
    return state


def supplemental_data_id(visitor: Any, consumer_id: Optional[str]) -> Optional[str]:
    """The supplemental data id for ``consumer_id``, or for the global mbox."""
    data_id = _ask(visitor, "get_supplemental_data_id", consumer_id or DEFAULT_GLOBAL_MBOX)
    return data_id if isinstance(data_id, str) and len(data_id) == SDID_LENGTH else None


def _text(value: Any, longest: int) -> Optional[str]:
    return value if isinstance(value, str) and 0 < len(value) <= longest else None


def _positive(value: Any) -> Optional[int]:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number > 0 else None


def _ask(visitor: Any, method: str, *arguments: Any) -> Any:
    function = getattr(visitor, method, None)
    return None if function is None else function(*arguments)
