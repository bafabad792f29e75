"""The data that conditions read, as dicts with a fixed set of keys."""

from typing import Any

from target_decisioning_engine.types.decisioning_artifact import ArtifactDict


class _ContextDict(ArtifactDict):
    """Copies the keys in ``_keys`` from keyword arguments and ignores all others."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(kwargs)


class GeoContext(_ContextDict):
    """The visitor's location."""

    _keys = ("country", "region", "city", "latitude", "longitude")


class UserContext(_ContextDict):
    """The visitor's browser and operating system."""

    _keys = ("browserType", "platform", "locale", "browserVersion")


class PageContext(_ContextDict):
    """The parts of a page's URL, as written and in lower case."""

    _keys = tuple(
        part + suffix
        for part in ("url", "path", "domain", "subdomain", "topLevelDomain", "query", "fragment")
        for suffix in ("", "_lc")
    )


class TimingContext(_ContextDict):
    """The current time in UTC."""

    _keys = ("current_timestamp", "current_time", "current_day")


class DecisioningContext(_ContextDict):
    """All data of a request."""

    _keys = ("allocation", *TimingContext._keys, "user", "page", "referring", "mbox", "geo")
