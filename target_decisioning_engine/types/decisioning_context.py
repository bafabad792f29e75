"""The data that conditions read, as dicts with a fixed set of keys."""

from typing import Any, ClassVar, List, Tuple

from target_tools.types.limited_key_dict import LimitedKeyDict


class _ContextDict(LimitedKeyDict):
    """Copies its keys from keyword arguments and ignores all others."""

    _keys: ClassVar[Tuple[str, ...]] = ()

    def __init__(self, **kwargs: Any) -> None:
        self._validate_kwargs_and_update(kwargs)

    def _get_valid_keys(self) -> List[str]:
        return list(self._keys)


class GeoContext(_ContextDict):
    """The visitor's location."""

    _keys = ("country", "region", "city", "latitude", "longitude")


class UserContext(_ContextDict):
    """The visitor's browser and operating system."""

    _keys = ("browserType", "platform", "locale", "browserVersion")


class PageContext(_ContextDict):
    """The parts of a page's URL, as written and in lower case."""

    _keys = (
        "url",
        "url_lc",
        "path",
        "path_lc",
        "domain",
        "domain_lc",
        "subdomain",
        "subdomain_lc",
        "topLevelDomain",
        "topLevelDomain_lc",
        "query",
        "query_lc",
        "fragment",
        "fragment_lc",
    )


class TimingContext(_ContextDict):
    """The current time in UTC."""

    _keys = ("current_timestamp", "current_time", "current_day")


class DecisioningContext(_ContextDict):
    """All data of a request."""

    _keys = (
        "allocation",
        "current_timestamp",
        "current_time",
        "current_day",
        "user",
        "page",
        "referring",
        "mbox",
        "geo",
    )
