"""What an Experience Cloud visitor is asked, if the caller brought one.

Any object will do that has 1.1.0's methods: ``get_visitor_values()`` gives MCMID,
MCAAMLH and MCAAMB, ``get_state()`` what the page takes over, and
``get_supplemental_data_id(consumer)`` the id that stitches Analytics hits to the call.
"""

from typing import Any, Dict, List, Mapping, Optional

from target_python_sdk.delivery.identity import customer_ids
from target_python_sdk.types import CustomerId
from target_tools.constants import DEFAULT_GLOBAL_MBOX


def visitor_values(visitor: Any) -> Mapping[str, Any]:
    """MCMID, MCAAMLH and MCAAMB, as far as the visitor knows them."""
    return _ask(visitor, "get_visitor_values") or {}


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
    data_id: Optional[str] = _ask(visitor, "get_supplemental_data_id", consumer_id or DEFAULT_GLOBAL_MBOX)
    return data_id


def _ask(visitor: Any, method: str, *arguments: Any) -> Any:
    function = getattr(visitor, method, None)
    return None if function is None else function(*arguments)
