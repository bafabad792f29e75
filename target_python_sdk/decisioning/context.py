"""What rules may ask about, computed when one asks.

A rule looks names up in nested dicts: ``user.browserType``, ``page.path_lc``,
``mbox.colour``, ``allocation``.  The dicts here compute a value when it is first looked
up and keep it, so that an artifact whose rules ask for the allocation only costs one
hash, and no User-Agent is read and no Public Suffix List loaded for it.
"""

import time
from typing import Any, Callable, ClassVar, Dict, List, Mapping, Optional

from target_python_sdk.decisioning.parts import part
from target_python_sdk.decisioning.rule import BucketedActivity
from target_python_sdk.types import Address, ChannelType, ClientHints, Context, DeliveryRequest, Geo
from target_tools.client_info import parse_client_info
from target_tools.clock import epoch_milliseconds
from target_tools.hashing import HashSuffix
from target_tools.page_url import PageUrl

#: The salt of the hash that allocates.
_SALT = ".0"


#: How many names the path to a parameter may have; nobody writes longer ones.
MAX_STEPS = 32

#: How each value of a dict is computed, by its name.
Parts = Mapping[str, Callable[[Any], Any]]


class LazyDict(Dict[str, Any]):
    """A dict that computes a value when it is first looked up; ``parts`` says which there are, and how."""

    parts: ClassVar[Parts] = {}

    def __missing__(self, name: str) -> Any:
        value = self[name] = self.parts[name](self)
        return value

    def as_dict(self) -> Dict[str, Any]:
        """Every value, as a plain dict of plain dicts."""
        found = {name: self[name] for name in self.parts}
        return {name: value.as_dict() if isinstance(value, LazyDict) else value for name, value in found.items()}


class UserVariables(LazyDict):
    """The visitor's browser and system."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def _client(self, name: str) -> Any:
        hints = part(self._context.client_hints, ClientHints) or ClientHints()
        brands = hints.browser_ua_with_full_version or hints.browser_ua_with_major_version
        client = parse_client_info(self._context.user_agent, brands, hints.platform)
        self.update(browserType=client.browser, platform=client.platform, browserVersion=client.version)
        return self[name]

    parts: ClassVar[Parts] = {
        "browserType": lambda self: self._client("browserType"),
        "platform": lambda self: self._client("platform"),
        "locale": lambda self: "en",
        "browserVersion": lambda self: self._client("browserVersion"),
    }


#: The parts of a page by the names rules know them by.
_ADDRESS_PARTS = {
    "url": "url",
    "path": "path",
    "query": "query",
    "fragment": "fragment",
    "subdomain": "subdomain",
    "domain": "domain",
    "topLevelDomain": "top_level_domain",
}


def _address_part(attribute: str) -> Callable[[Any], str]:
    return lambda self: str(getattr(self._address, attribute))


def _address_part_in_lower_case(name: str) -> Callable[[Any], str]:
    return lambda self: str(self[name].lower())


class PageVariables(LazyDict):
    """An address and its parts, as written and in lower case."""

    def __init__(self, url: Optional[str]) -> None:
        self._address = PageUrl(url)

    @property
    def host(self) -> str:
        """The host, which rules ask about in its parts only."""
        return self._address.host

    parts: ClassVar[Parts] = {
        **{name: _address_part(attribute) for name, attribute in _ADDRESS_PARTS.items()},
        **{name + "_lc": _address_part_in_lower_case(name) for name in _ADDRESS_PARTS},
    }


class RequestContext(LazyDict):
    """What is the same for everything that one request asks for."""

    def __init__(self, request: DeliveryRequest, bucketing_id: str, geo: Optional[Geo]) -> None:
        self._context = request.context or Context(channel=ChannelType.WEB)
        self._geo = geo
        self._hash_suffix = HashSuffix(bucketing_id + _SALT)
        self._allocations: Dict[Any, float] = {}
        self._now: Optional[int] = None

    @property
    def now(self) -> int:
        """When this is decided, in milliseconds since 1970."""
        if self._now is None:
            self._now = epoch_milliseconds()
        return self._now

    def page(self, name: str, address: Any) -> PageVariables:
        """The ``page`` or the ``referring`` page of an address."""
        known = part(address, Address) or Address()
        return PageVariables(known.url if name == "page" else known.referring_url)

    def allocation(self, activity: BucketedActivity) -> float:
        """The visitor's bucket in ``activity``: 0.00 to 99.99."""
        found = self._allocations.get(activity.id)
        if found is None:
            found = self._allocations[activity.id] = self._hash_suffix.bucket(activity.hash_prefix)
        return found

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

    def _utc_fields(self) -> time.struct_time:
        return time.gmtime(self.now // 1000)

    parts: ClassVar[Parts] = {
        "current_timestamp": lambda self: self.now,
        "current_time": lambda self: time.strftime("%H%M", self._utc_fields()),
        "current_day": lambda self: self._utc_fields().tm_wday + 1,
        "user": lambda self: UserVariables(self._context),
        "page": lambda self: self.page("page", self._context.address),
        "referring": lambda self: self.page("referring", self._context.address),
        "geo": lambda self: self._geo_fields(),
    }


class _ParameterLevel(Dict[str, Any]):
    """One level of nested parameters; an object that a caller gave as a value is none."""


def nest_parameters(parameters: Mapping[str, Any]) -> Dict[str, Any]:
    """Parameters as rules look them up: ``a.b`` inside ``a``, and each text in lower case beside it.

    Where there is both ``a`` and ``a.b``, the value of ``a`` counts: there is no place for the other.
    """
    found = _ParameterLevel()
    levels, dotted = [found], []
    for name, value in parameters.items():
        steps = _split_path(name)
        if len(steps) == 1:
            found[name] = value
        else:
            dotted.append(steps)
    for steps in sorted(dotted, key=len):
        _insert(levels, steps, parameters[".".join(steps)])
    for level in levels:
        level.update({"{}_lc".format(name): value.lower() for name, value in level.items() if isinstance(value, str)})
    return found


def _split_path(name: Any) -> List[str]:
    """The names on the way to a parameter; a name that is no path is one step."""
    if not isinstance(name, str) or "." not in name:
        return [name]
    steps = name.split(".")
    return steps if all(steps) and len(steps) <= MAX_STEPS else [name]


def _insert(levels: List[_ParameterLevel], steps: List[str], value: Any) -> None:
    """Put ``value`` where ``steps`` lead to from the first level, unless something stands in the way."""
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
