"""An Experience Cloud visitor: the ids in the ``AMCV_…`` cookie, customer ids, and supplemental data ids.

A call needs no visitor object: its option ``visitor_cookie`` reads the same cookie. Calls that share an object also
share a supplemental data id, so that Analytics counts them as one hit::

    visitor = ExperienceCloudVisitor("1234567890@AdobeOrg", cookie_header)
    hero = client.get_offers(request=hero_request, visitor=visitor, consumer_id="hero")
    footer = client.get_offers(request=footer_request, visitor=visitor, consumer_id="footer")
    state = visitor.get_state()

The page passes the state to its own visitor: ``Visitor.getInstance(organization_id, {serverState: state})``.
"""

import re
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional, Union

from target_python_sdk.delivery.conversion import convert_customer_ids, plain, text_or_none
from target_python_sdk.delivery.visitor_cookie import ANALYTICS_ID, CLOUD_ID, OPT_OUT, parse_visitor_cookie
from target_python_sdk.delivery.visitor_protocol import state_of_customer_ids
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_python_sdk.types import CustomerId
from target_tools.clock import epoch_seconds
from target_tools.error_text import invalid
from target_tools.errors import OptionError
from target_tools.uuids import UuidGenerator

if TYPE_CHECKING:
    from target_python_sdk.delivery.option_types import CustomerIds

__all__ = ["ExperienceCloudVisitor"]

_DATA_ID = re.compile(r"[0-9A-F]{16}-[0-9A-F]{16}")
#: Consumers in a state have this prefix, which VisitorAPI.js requires.
_CONSUMER_PREFIX = "payload:"


class _DataIds(NamedTuple):
    """The current supplemental data id and the one before, each with its consumers.

    Each value of ``consumers`` is an object that identifies the call that claimed the id for this consumer.
    """

    current: str
    consumers: Dict[str, object]
    last: Optional[str]
    last_consumers: Mapping[str, object]


class ExperienceCloudVisitor:
    """The ids of one visitor, for the calls of one page. Threads can share it.

    :param organization_id: The Experience Cloud organization id of the client.
    :param cookie: The value of the visitor's ``AMCV_…`` cookie, or a ``Cookie`` header, which may have other cookies.
    :param customer_ids: The visitor's ids in your own systems, in the forms of the option ``customer_ids``.
    :param state: The result of an earlier ``get_state``, for example of the page that redirected to this one. Its
        customer ids are used if ``customer_ids`` is None. Keep the state on the server, for example in a session: a
        browser could name another customer in it.

    Invalid content of a cookie is ignored. Raises ``OptionError`` for values of other types, and for customer ids that
    the API would refuse.
    """

    def __init__(
        self,
        organization_id: str,
        cookie: Union[str, bytes, None] = None,
        customer_ids: "Optional[CustomerIds]" = None,
        state: Optional[Mapping[str, Any]] = None,
    ) -> None:
        organization, header = text_or_none(organization_id), text_or_none(cookie)
        if not organization:
            raise _invalid("organization_id", "text such as '1234567890@AdobeOrg'", organization_id)
        if header is None and cookie is not None:
            raise _invalid("cookie", "the value of a cookie, or a Cookie header, as text", cookie, secret=True)
        if state is not None and not isinstance(state, Mapping):
            raise _invalid("state", "a dict that get_state returned", state, secret=True)
        self._organization_id = organization
        self._values = parse_visitor_cookie(header, organization, epoch_seconds())
        saved = _mapping(_mapping(state).get(organization))
        given: Any = saved.get("customerIDs") if customer_ids is None else customer_ids
        self._customer_ids: List[CustomerId] = [] if given is None else convert_customer_ids(given)
        self._data_ids = _saved_data_ids(_mapping(saved.get("sdid")))

    @property
    def organization_id(self) -> str:
        """The Experience Cloud organization id."""
        return self._organization_id

    @property
    def experience_cloud_id(self) -> Optional[str]:
        """The visitor's Experience Cloud id (ECID); None on a first visit, and for a visitor who has opted out."""
        return self._values.get(CLOUD_ID)

    @property
    def analytics_id(self) -> Optional[str]:
        """The visitor's legacy Analytics id, which only older visitors have."""
        return self._values.get(ANALYTICS_ID)

    @property
    def is_opted_out(self) -> bool:
        """Whether the visitor has opted out of data collection. Then the ids in the cookie are not used."""
        return OPT_OUT in self._values

    def get_visitor_values(self) -> Dict[str, str]:
        """Return the current values of the cookie: MCMID, MCAAMLH, MCAAMB and MCAID, or MCOPTOUT alone."""
        return dict(self._values)

    def get_supplemental_data_id(self, consumer_id: Optional[str] = None) -> str:
        """Return the current supplemental data id, which connects the hits of a page in Analytics.

        Different consumers get the same id. If ``consumer_id`` has already used this id, a new one is created. The
        default consumer is ``target-global-mbox``.
        """
        consumer, claim = _CONSUMER_PREFIX + str(plain(consumer_id or DEFAULT_GLOBAL_MBOX)), object()
        while True:
            ids = self._data_ids
            if ids.consumers.setdefault(consumer, claim) is claim:
                return ids.current
            self._data_ids = _DataIds(UuidGenerator().next_data_id(), {}, ids.current, ids.consumers)

    def get_state(self) -> Dict[str, Any]:
        """Return the state that the page passes to ``Visitor.getInstance`` as ``serverState``."""
        ids = self._data_ids
        sdid: Dict[str, Any] = {
            "supplementalDataIDCurrentConsumed": dict.fromkeys(list(ids.consumers), True),
            "supplementalDataIDLastConsumed": dict.fromkeys(list(ids.last_consumers), True),
        }
        if ids.consumers:
            sdid["supplementalDataIDCurrent"] = ids.current
        if ids.last is not None:
            sdid["supplementalDataIDLast"] = ids.last
        state: Dict[str, Any] = {"sdid": sdid}
        if self._customer_ids:
            state["customerIDs"] = state_of_customer_ids(self._customer_ids)
        return {self._organization_id: state}

    def __repr__(self) -> str:
        """Return the organization, without the ids of the visitor."""
        return f"<{type(self).__name__} of {self._organization_id}>"


def _saved_data_ids(saved: Mapping[str, Any]) -> _DataIds:
    """Return the supplemental data ids of a state. Invalid ones are ignored."""
    current, last = (_data_id(saved.get("supplementalDataID" + which)) for which in ("Current", "Last"))
    last_consumers = {} if last is None else _mapping(saved.get("supplementalDataIDLastConsumed"))
    if current is None:
        return _DataIds(UuidGenerator().next_data_id(), {}, last, last_consumers)
    return _DataIds(current, dict(_mapping(saved.get("supplementalDataIDCurrentConsumed"))), last, last_consumers)


def _data_id(value: Any) -> Optional[str]:
    return value if isinstance(value, str) and _DATA_ID.fullmatch(value) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _invalid(argument: str, expected: str, got: Any, secret: bool = False) -> OptionError:
    text = invalid(f"Invalid argument '{argument}'", expected=expected, got=got, secret=secret)
    return OptionError(text, argument, expected)
