"""A dict with a fixed set of keys, as 1.1.0 had it."""

from typing import Any, Dict, List, Mapping, Optional


class LimitedKeyDict(Dict[str, Any]):
    """What 1.1.0's artifact, context and envelope types are made of.

    A subclass says in ``_get_valid_keys`` which keys it has, and takes what it is made of
    through ``_validate_kwargs_and_update``, which drops the others.  Assigning to another
    key is a ``KeyError``; ``update`` and ``setdefault`` are a dict's own and ask nobody.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    def _get_valid_keys(self) -> List[str]:
        """The keys there may be."""
        raise NotImplementedError

    def _validate_kwargs_and_update(self, kwargs: Optional[Mapping[str, Any]]) -> None:
        """Take over what ``kwargs`` has under a key there may be."""
        valid = self._get_valid_keys()
        self.update({key: value for key, value in (kwargs or {}).items() if key in valid})

    def __setitem__(self, key: str, val: Any) -> None:
        if key not in self._get_valid_keys():
            raise KeyError
        super().__setitem__(key, val)
