"""Who the visitor is: session, device, and the ids other systems know them by."""

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from target_python_sdk.delivery import option_parsers as parse
from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.cookies import parse_target_cookie
from target_python_sdk.delivery.nodes import node, nodes
from target_python_sdk.protocol import DEVICE_ID_COOKIE, SESSION_ID_COOKIE
from target_python_sdk.types import AuthenticatedState, CustomerId, VisitorId
from target_tools.clock import epoch_seconds
from target_tools.logger import Log
from target_tools.schema.model import copy_with
from target_tools.uuids import UuidGenerator, uuid_from_text

#: What the API takes as a session id: one to 128 printable characters, without space, ``?`` and ``/``.
_SESSION = re.compile(r"[^\s?/]{1,128}")
_DEVICE_ID = re.compile(r"[!-~]{1,128}", re.ASCII)
#: The siblings write the state of a customer id as a number, in either type.
_AUTH_STATES = {
    0: AuthenticatedState.UNKNOWN,
    1: AuthenticatedState.AUTHENTICATED,
    2: AuthenticatedState.LOGGED_OUT,
}


class Visit(NamedTuple):
    """What the cookie and the options say of the visitor."""

    session_id: str
    #: The device id in the cookie.
    cookie_id: Optional[str]


def read_visit(call: Call, ids: UuidGenerator, log: Log) -> Visit:
    """The session and the device: a live session in the cookie, else the caller's, else a new one."""
    if not call.target_cookie and call.session_id is None:
        return Visit(ids.next(), None)
    parts = parse_target_cookie(call.target_cookie, epoch_seconds()) if call.target_cookie else {}
    session = parts.get(SESSION_ID_COOKIE) or call.session_id
    device = parts.get(DEVICE_ID_COOKIE)
    if device is not None and not _DEVICE_ID.fullmatch(device):
        device = None
    return Visit(ids.next() if session is None else _accepted(session, log), device)


def _accepted(session: str, log: Log) -> str:
    """``session``, or what always stands in for one that the API would refuse."""
    if _SESSION.fullmatch(session) and session.isprintable():
        return session
    log.info("A session id that the API would refuse was replaced by its uuid5")
    return uuid_from_text(session)


def visitor_id(given: Any, visit: Visit, visitor_values: Mapping[str, Any], customers: List[CustomerId]) -> Any:
    """The request's id: what the caller gave, filled from cookie and visitor.  None if nobody is known."""
    if given is None and not visitor_values and not customers:
        return None if visit.cookie_id is None else VisitorId(tnt_id=visit.cookie_id)
    own = node(given, VisitorId, "request.id") or VisitorId()
    ids = customers
    if own.customer_ids is not None:
        ids = [*customers, *nodes(own.customer_ids, CustomerId, "request.id.customer_ids")]
    device_id = own.tnt_id or visit.cookie_id
    cloud_id = own.marketing_cloud_visitor_id or visitor_values.get("MCMID")
    if device_id is None and cloud_id is None and own.third_party_id is None and not ids:
        return None
    if device_id is own.tnt_id and cloud_id is own.marketing_cloud_visitor_id and not ids and own is given:
        return own if own.customer_ids is None else copy_with(own, customer_ids=None)
    return copy_with(own, tnt_id=device_id, marketing_cloud_visitor_id=cloud_id, customer_ids=ids or None)


def customer_ids(given: Any) -> List[CustomerId]:
    """The option ``customer_ids`` as the API wants it: a list of ids, or a dict by integration code."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        return [_customer_id(code, value) for code, value in given.items()]
    if not isinstance(given, (list, tuple)):
        parse.refuse("customer_ids", "a list of CustomerId or a dict by integration code", given)
    return nodes(given, CustomerId, "customer_ids")


def _customer_id(code: str, value: Any) -> CustomerId:
    """A customer id as ``{"id": …, "authState": …}`` or as the bare id, whose state nobody knows."""
    fields = value if isinstance(value, Mapping) else {"id": value}
    number, state = fields.get("id"), fields.get("authState", fields.get("auth_state", 0))
    if not isinstance(number, (str, int)):
        parse.refuse("customer_ids[{!r}]".format(code), "an id, or a dict with id and authState", value)
    digits = str(state)
    known = _AUTH_STATES.get(int(digits) if digits in ("0", "1", "2") else -1)
    if known is None:
        parse.refuse("customer_ids[{!r}]['authState']".format(code), "0, 1 or 2", state)
    try:
        return CustomerId(id=str(number), integration_code=code, authenticated_state=known)
    except (TypeError, ValueError):
        return parse.refuse("customer_ids[{!r}]".format(code), "a code of up to 50 characters and an id of 128", value)


def server_state(customers: List[CustomerId], organization_id: str) -> Optional[Dict[str, Any]]:
    """The customer ids as the page's VisitorAPI.js takes them over."""
    if not customers:
        return None
    numbers = {state: number for number, state in _AUTH_STATES.items()}
    ids = {
        str(customer.integration_code): {
            "id": customer.id,
            "authState": numbers.get(str(customer.authenticated_state), 0),
        }
        for customer in customers
    }
    return {organization_id: {"customerIDs": ids}}
