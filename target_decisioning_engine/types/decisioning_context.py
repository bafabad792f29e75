"""What rules may ask about, as dicts with a fixed set of keys."""

from typing import Any, ClassVar, List, Tuple

from target_tools.types.limited_key_dict import LimitedKeyDict


class _Part(LimitedKeyDict):
    """Made of keywords, of which it takes the keys it has."""

    _keys: ClassVar[Tuple[str, ...]] = ()

    def __init__(self, **kwargs: Any) -> None:
        self._validate_kwargs_and_update(kwargs)

    def _get_valid_keys(self) -> List[str]:
        return list(self._keys)


class GeoContext(_Part):
    """Where the visitor is."""

    _keys = ("country", "region", "city", "latitude", "longitude")


class UserContext(_Part):
    """The visitor's browser and system."""

    _keys = ("browserType", "platform", "locale", "browserVersion")


class PageContext(_Part):
    """An address and its parts, as written and in lower case."""

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


class TimingContext(_Part):
    """Now, in UTC."""

    _keys = ("current_timestamp", "current_time", "current_day")


class DecisioningContext(_Part):
    """All of it."""

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
