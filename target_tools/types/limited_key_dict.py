"""A dict of 1.1.0 with a fixed set of keys."""

from typing import Any, Dict, List, Mapping, Optional


class LimitedKeyDict(Dict[str, Any]):
    """The base class of 1.1.0's artifact, context and envelope types.

    A subclass returns its keys from ``_get_valid_keys`` and calls ``_validate_kwargs_and_update``, which drops other
    keys. Assigning to another key raises ``KeyError``. The methods ``update`` and ``setdefault`` check nothing.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    def _get_valid_keys(self) -> List[str]:
        """Return the keys that are allowed."""
        raise NotImplementedError

    def _validate_kwargs_and_update(self, kwargs: Optional[Mapping[str, Any]]) -> None:
        """Copy the values of allowed keys from ``kwargs``."""
        valid = self._get_valid_keys()
        self.update({key: value for key, value in (kwargs or {}).items() if key in valid})

    def __setitem__(self, key: str, val: Any) -> None:
        if key not in self._get_valid_keys():
            raise KeyError
        super().__setitem__(key, val)
