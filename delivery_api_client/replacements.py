"""Detects methods and classes of the generated client that a test replaced, and calls them for a ``TargetClient``.

In 1.1.0, ``mock.patch.object(DeliveryApi, "execute", return_value=DeliveryResponse(...))`` answered every call.
"""

import importlib
import sys
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from delivery_api_client.configuration import Configuration
from target_python_sdk.delivery.replaced_api import REPLACEMENTS, ReplacedCall

_DELIVERY_API = "delivery_api_client.api.delivery_api"


class _WatchedName(NamedTuple):
    """A name that a test may bind to another object."""

    namespace: Mapping[str, Any]
    name: str
    genuine: Any

    def replacement(self) -> Any:
        """Return the object that replaces the genuine one, or None."""
        value = self.namespace.get(self.name, self.genuine)
        return None if value is self.genuine else value


class WatchedNames:
    """The classes and methods through which 1.1.0 sent calls."""

    def __init__(self) -> None:
        #: By module and qualified name, so that a reloaded module replaces its earlier entries.
        self._watched: Dict[Tuple[str, str], _WatchedName] = {}

    def watch(self, cls: type, *methods: str) -> None:
        """Detect replacements of ``cls``, in each module that exports it, and of its ``methods``."""
        for module in ("delivery_api_client", cls.__module__.rpartition(".")[0], cls.__module__):
            self._watched[module, cls.__name__] = _WatchedName(vars(sys.modules[module]), cls.__name__, cls)
        for method in methods:
            key = cls.__module__, f"{cls.__name__}.{method}"
            self._watched[key] = _WatchedName(vars(cls), method, vars(cls)[method])

    def find_replacement(self) -> Optional[Callable[[ReplacedCall], Any]]:
        """Return the function that makes a call with the replaced method, or None if nothing is replaced."""
        is_replaced = any(watched.replacement() is not None for watched in list(self._watched.values()))
        return self._execute if is_replaced else None

    def _execute(self, call: ReplacedCall) -> Any:
        """Call ``DeliveryApi.execute`` with 1.1.0's arguments."""
        importlib.import_module(_DELIVERY_API)  # not at module level, because that module imports this one
        genuine_execute = self._watched[_DELIVERY_API, "DeliveryApi.execute"].genuine
        client = self._current("ApiClient")(Configuration(host=call.host))
        try:
            execute = self._current("DeliveryApi")(client).execute
            keywords: Dict[str, Any] = {} if call.version is None else {"version": call.version}
            if getattr(execute, "__func__", None) is genuine_execute:
                keywords["_request_timeout"] = call.timeout  # a replacement may accept only what 1.1.0 passed
            return execute(call.ims_org_id, call.session_id, call.delivery_request, **keywords)
        finally:
            close = getattr(client, "close", None)
            if close is not None:
                close()

    def _current(self, name: str) -> Any:
        """Return the replacement of the class with that name, or the class."""
        watched = [entry for entry in list(self._watched.values()) if entry.name == name]
        replacements = [entry.replacement() for entry in watched]
        return next((cls for cls in replacements if cls is not None), watched[0].genuine)


WATCHED = WatchedNames()
REPLACEMENTS.find = WATCHED.find_replacement
