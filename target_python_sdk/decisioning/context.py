"""The data that conditions read, computed on first use, and the visitor id that determines the bucket.

Conditions read names such as ``user.browserType``, ``page.path_lc``, ``mbox.colour`` and ``allocation``. The dicts of
this module compute a value when it is first read. So rules that only read the allocation cost one hash: no User-Agent
is parsed for them and the Public Suffix List is not loaded.
"""

import time
from typing import AbstractSet, Any, Callable, ClassVar, Dict, List, Mapping, Optional

from target_python_sdk.decisioning.geo_names import VARIABLE as COMPARABLE_GEO
from target_python_sdk.decisioning.geo_names import comparable_names
from target_python_sdk.decisioning.macros import Details
from target_python_sdk.decisioning.rule import BucketedActivity
from target_python_sdk.types import (
    Address,
    ChannelType,
    ClientHints,
    Context,
    CustomerId,
    DeliveryRequest,
    Geo,
    VisitorId,
)
from target_tools.client_info import parse_client_info
from target_tools.clock import Deadline, epoch_milliseconds, monotonic
from target_tools.errors import DeadlineExceeded
from target_tools.hashing import HashSuffix
from target_tools.page_url import PageUrl
from target_tools.rules.loop_operators import MAX_DECISION_STEPS
from target_tools.rules.operators import LONG_TEXT
from target_tools.schema.model import copy_with
from target_tools.typing_compat import Json
from target_tools.uuids import random_uuid, uuid_from_text

#: The salt of the allocation hash.
_SALT = ".0"

#: Maximum number of names in the path of a nested parameter.
MAX_STEPS = 32

#: Functions that compute the values of a ``LazyDict``, by key.
Getters = Mapping[str, Callable[[Any], Any]]


class LazyDict(Dict[str, Any]):
    """A dict that computes each value when it is first read, with the functions in ``getters``."""

    __slots__ = ()
    getters: ClassVar[Getters] = {}
    #: Names that ``as_dict`` leaves out.
    internal: ClassVar[AbstractSet[str]] = frozenset()

    def __missing__(self, name: str) -> Any:
        value = self[name] = self.getters[name](self)
        return value

    def as_dict(self) -> Dict[str, Any]:
        """Return all values as a plain dict of plain dicts."""
        values = {name: self[name] for name in self.getters if name not in self.internal}
        return {name: value.as_dict() if isinstance(value, LazyDict) else value for name, value in values.items()}


class UserVariables(LazyDict):
    """The visitor's browser and operating system."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    def _client(self, name: str) -> Any:
        hints = self._context.client_hints or ClientHints()
        brands = hints.browser_ua_with_full_version or hints.browser_ua_with_major_version
        client = parse_client_info(self._context.user_agent, brands, hints.platform)
        self.update(browserType=client.browser, platform=client.platform, browserVersion=client.version)
        return self[name]

    getters: ClassVar[Getters] = {
        "browserType": lambda self: self._client("browserType"),
        "platform": lambda self: self._client("platform"),
        "locale": lambda self: "en",
        "browserVersion": lambda self: self._client("browserVersion"),
    }


#: Attributes of ``PageUrl``, by their names in conditions.
URL_PARTS = {
    "url": "url",
    "path": "path",
    "query": "query",
    "fragment": "fragment",
    "subdomain": "subdomain",
    "domain": "domain",
    "topLevelDomain": "top_level_domain",
}


def _url_part(attribute: str) -> Callable[[Any], str]:
    return lambda self: str(getattr(self._url, attribute))


def _lower_case_url_part(name: str) -> Callable[[Any], str]:
    return lambda self: str(self[name].lower())


class PageVariables(LazyDict):
    """The parts of a page's URL, as written and in lower case."""

    __slots__ = ("_url", "is_long")

    def __init__(self, url: Optional[str]) -> None:
        self._url = PageUrl(url)
        #: Whether reading the URL's parts can make a short rule slow.
        self.is_long = _is_long(url)

    @property
    def host(self) -> str:
        """The host of the page, for traces. Conditions can read only its parts."""
        return self._url.host

    getters: ClassVar[Getters] = {
        **{name: _url_part(attribute) for name, attribute in URL_PARTS.items()},
        **{name + "_lc": _lower_case_url_part(name) for name in URL_PARTS},
    }


class RequestContext(LazyDict):
    """The data that all locations of a request share."""

    __slots__ = (
        "_allocations", "_context", "_deadline", "_geo", "_hash_suffix", "_now", "_request", "steps_left",
    )  # fmt: skip

    def __init__(
        self, request: DeliveryRequest, bucketing_id: str, geo: Optional[Geo], deadline: Optional[Deadline] = None
    ) -> None:
        self._request = request
        #: The steps that remain for loops in rules.
        self.steps_left = MAX_DECISION_STEPS
        self._deadline = deadline
        self._context = request.context or Context(channel=ChannelType.WEB)
        self._geo = geo
        self._hash_suffix = HashSuffix(bucketing_id + _SALT)
        self._allocations: Dict[Any, float] = {}
        self._now: Optional[int] = None

    def check_time(self) -> None:
        """Raise ``DeadlineExceeded`` if the time of the call is up."""
        if self._deadline is not None and monotonic() > self._deadline.at:
            raise self._timeout(self._deadline)

    def _timeout(self, deadline: Deadline) -> DeadlineExceeded:
        error = DeadlineExceeded(f"the decision takes longer than {deadline.seconds * 1000:.0f} ms")
        error.attempts, error.request, error.request_id = 0, self._request, self._request.request_id
        return error

    @property
    def now(self) -> int:
        """The time of the decision, in milliseconds since 1970."""
        if self._now is None:
            self._now = epoch_milliseconds()
        return self._now

    def page(self, name: str, address: Optional[Address]) -> PageVariables:
        """Return the ``page`` or the ``referring`` page of an address."""
        address = address or Address()
        return PageVariables(address.url if name == "page" else address.referring_url)

    def allocation(self, activity: BucketedActivity) -> float:
        """Return the visitor's bucket in ``activity``, from 0.00 to 99.99."""
        allocation = self._allocations.get(activity.id)
        if allocation is None:
            allocation = self._allocations[activity.id] = self._hash_suffix.bucket(activity.hash_prefix)
        return allocation

    def _geo_fields(self) -> Dict[str, Any]:
        geo = self._geo
        if geo is None:
            return {}
        values = {
            "country": geo.country_code,
            "region": geo.state_code,
            "city": geo.city,
            "latitude": geo.latitude,
            "longitude": geo.longitude,
        }
        return {name: value for name, value in values.items() if value is not None}

    def _utc(self) -> time.struct_time:
        return time.gmtime(self.now // 1000)

    getters: ClassVar[Getters] = {
        "current_timestamp": lambda self: self.now,
        "current_time": lambda self: time.strftime("%H%M", self._utc()),
        "current_day": lambda self: self._utc().tm_wday + 1,
        "user": lambda self: UserVariables(self._context),
        "page": lambda self: self.page("page", self._context.address),
        "referring": lambda self: self.page("referring", self._context.address),
        "geo": lambda self: self._geo_fields(),
        COMPARABLE_GEO: lambda self: comparable_names(self["geo"]),
    }
    internal = frozenset({COMPARABLE_GEO})


def _from_request(name: str) -> Callable[[Any], Any]:
    return lambda self: self._request_context[name]


class LocationContext(LazyDict):
    """The data of one location: a page load, an mbox or a view."""

    __slots__ = ("_activity", "_details", "_request_context", "reads_long_values")

    def __init__(self, request_context: RequestContext, details: Details) -> None:
        self._request_context = request_context
        self._details = details
        self._activity: Optional[BucketedActivity] = None
        #: Whether a rule has read a value that can make even a short rule slow.
        self.reads_long_values = False

    @property
    def limits(self) -> RequestContext:
        """The limits that rules check during the decision."""
        return self._request_context

    def enter_activity(self, activity: BucketedActivity) -> None:
        """Set the variable ``allocation`` to the visitor's bucket in ``activity``."""
        if activity is not self._activity:
            self._activity = activity
            self.pop("allocation", None)

    def _allocation(self) -> Optional[float]:
        return None if self._activity is None else self._request_context.allocation(self._activity)

    def _page(self, name: str) -> PageVariables:
        """Return the ``page`` or ``referring`` page of this location, by default that of the request."""
        address = self._details.address
        page: PageVariables = (
            self._request_context[name] if address is None else self._request_context.page(name, address)
        )
        if page.is_long:
            self.reads_long_values = True
        return page

    def _parameters(self) -> Dict[str, Any]:
        parameters = self._details.parameters
        if not isinstance(parameters, (dict, Mapping)):  # dict first: isinstance is slow for abstract classes
            return {}
        if any(map(_is_long, parameters.values())):
            self.reads_long_values = True
        return nest_parameters(parameters)

    getters: ClassVar[Getters] = {
        **{name: _from_request(name) for name in RequestContext.getters},
        "page": lambda self: self._page("page"),
        "referring": lambda self: self._page("referring"),
        "mbox": _parameters,
        "allocation": _allocation,
    }
    internal = RequestContext.internal


def _is_long(value: Json) -> bool:
    """Return whether reading ``value`` can make a short rule slow."""
    return len(value) > LONG_TEXT if isinstance(value, str) else isinstance(value, (list, tuple, dict))


# Nested parameters


class _ParameterLevel(Dict[str, Any]):
    """A level of nested parameters, as opposed to a dict that the caller passed as a value."""


def nest_parameters(parameters: Mapping[str, Any]) -> Dict[str, Any]:
    """Nest parameters as conditions read them, and add each text in lower case.

    ``a.b`` becomes ``b`` in the dict ``a``. If ``a`` itself has a value, ``a.b`` is dropped.
    """
    root = _ParameterLevel()
    levels, dotted = [root], []
    for name, value in parameters.items():
        steps = _split_path(name)
        if len(steps) == 1:
            root[name] = value
        else:
            dotted.append(steps)
    for steps in sorted(dotted, key=len):
        _insert(levels, steps, parameters[".".join(steps)])
    for level in levels:
        level.update({f"{name}_lc": value.lower() for name, value in level.items() if isinstance(value, str)})
    return root


def _split_path(name: str) -> List[str]:
    """Split a dotted name. Any other name, and a path that is too long or has an empty part, is a single step."""
    if not isinstance(name, str) or "." not in name:
        return [name]
    steps = name.split(".")
    return steps if all(steps) and len(steps) <= MAX_STEPS else [name]


def _insert(levels: List[_ParameterLevel], steps: List[str], value: Json) -> None:
    """Insert ``value`` at the end of the path ``steps``, unless a part of the path already has a value."""
    level = levels[0]
    for step in steps[:-1]:
        inner = level.get(step)
        if inner is None:
            inner = level[step] = _ParameterLevel()
            levels.append(inner)
        if not isinstance(inner, _ParameterLevel):
            return
        level = inner
    level.setdefault(steps[-1], value)


# The visitor id


def with_device_id(given: Optional[VisitorId], client: str, cluster: Optional[str]) -> VisitorId:
    """Return ``given``, with a new device id (``tnt_id``) if it has no id from which the buckets can be computed.

    The device id is derived from the first customer id, if any. So a visitor with a customer id gets the same
    experience on every visit, even without a cookie.
    """
    identity = VisitorId() if given is None else given
    if bucketing_id(identity):
        return identity
    device_id = _derive_device_id(identity.customer_ids, client) or random_uuid()
    suffix = "" if cluster is None else f".{cluster}_0"
    return copy_with(identity, tnt_id=device_id.replace("-", "") + suffix)


def _derive_device_id(customers: Optional[List[CustomerId]], client: str) -> Optional[str]:
    for customer in customers or ():
        if customer is not None and customer.id:
            return uuid_from_text(f"{client}.{customer.integration_code}.{customer.id}")
    return None


def bucketing_id(identity: VisitorId) -> str:
    """Return the Experience Cloud id, else the device id without its location hint, else the third-party id.

    Return an empty string if the visitor has none of them.
    """
    known = identity.marketing_cloud_visitor_id or str(identity.tnt_id or "").partition(".")[0]
    return str(known or identity.third_party_id or "")
