"""Reads ids from an Experience Cloud visitor that the caller passes, and builds the state for the page.

Any object with 1.1.0's methods can be passed; each method may be missing.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Protocol, Sequence

from target_python_sdk.delivery.conversion import AUTH_STATES, convert_customer_ids, plain
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_python_sdk.types import CustomerId
from target_tools.typing_compat import Json

#: The length of a supplemental data id: sixteen hexadecimal digits, a hyphen, sixteen more.
SDID_LENGTH = 33


class Visitor(Protocol):
    """An Experience Cloud visitor."""

    def get_visitor_values(self) -> Mapping[str, Any]:
        """Return the Experience Cloud id (MCMID), and Audience Manager's location hint (MCAAMLH) and blob (MCAAMB)."""
        ...

    def get_state(self) -> Mapping[str, Any]:
        """Return the state that the page's VisitorAPI.js takes over."""
        ...

    def get_supplemental_data_id(self, consumer_id: str) -> str:
        """Return the id that links Analytics hits to the call."""
        ...


class VisitorValues(NamedTuple):
    """The valid values of a visitor: MCMID, MCAAMLH and MCAAMB."""

    cloud_id: Optional[str] = None
    location_hint: Optional[int] = None
    blob: Optional[str] = None


def visitor_values(visitor: Visitor) -> VisitorValues:
    """Return the values of ``visitor`` that the API accepts."""
    return valid_values(_call(visitor, "get_visitor_values"))


def valid_values(values: Any) -> VisitorValues:
    """Return those of ``values`` that the API accepts. They come from a cookie, so invalid ones are left out."""
    if not isinstance(values, Mapping):
        return VisitorValues()
    cloud_id, hint, blob = (plain(values.get(name)) for name in ("MCMID", "MCAAMLH", "MCAAMB"))
    return VisitorValues(_text_up_to(128, cloud_id), _positive_int(hint), _text_up_to(1024, blob))


def visitor_customer_ids(visitor: Visitor) -> List[CustomerId]:
    """Return the customer ids in the visitor's state, from the key that VisitorAPI.js uses or from 1.1.0's key."""
    found: List[CustomerId] = []
    state = visitor_state(visitor)
    for organization in state.values() if isinstance(state, Mapping) else ():
        if isinstance(organization, Mapping):
            ids = organization.get("customerIDs", organization.get("customer_ids"))
            if isinstance(ids, Mapping):
                found += convert_customer_ids(ids)
    return found


def visitor_state(visitor: Visitor) -> Optional[Dict[str, Any]]:
    """Return the state that the page's VisitorAPI.js takes over."""
    state: Optional[Dict[str, Any]] = _call(visitor, "get_state")
    return state


def supplemental_data_id(visitor: Visitor, consumer_id: Optional[str]) -> Optional[str]:
    """Return the supplemental data id for ``consumer_id``, or for the global mbox."""
    data_id = plain(_call(visitor, "get_supplemental_data_id", consumer_id or DEFAULT_GLOBAL_MBOX))
    return data_id if isinstance(data_id, str) and len(data_id) == SDID_LENGTH else None


def state_of_customer_ids(customers: Sequence[CustomerId]) -> Dict[str, Any]:
    """Return the customer ids in the form that VisitorAPI.js reads. Ids without an integration code are left out."""
    numbers = {state: number for number, state in AUTH_STATES.items()}
    return {
        customer.integration_code: {
            "id": customer.id,
            "authState": numbers.get(str(customer.authenticated_state), 0),
        }
        for customer in customers
        if customer.integration_code is not None
    }


def _text_up_to(longest: int, value: Json) -> Optional[str]:
    return value if isinstance(value, str) and 0 < len(value) <= longest else None


def _positive_int(value: Json) -> Optional[int]:
    try:
        number = int(value) if isinstance(value, (str, int, float)) else 0
    except (ValueError, OverflowError):
        return None
    return number if number > 0 else None


def _call(visitor: Visitor, method: str, *arguments: str) -> Any:
    function = getattr(visitor, method, None)
    return None if function is None else function(*arguments)
