"""Detect methods and classes of the generated client that a test replaced, and call them for a ``TargetClient``.

``mock.patch.object(DeliveryApi, "execute", return_value=DeliveryResponse(...))`` answered every call of 1.1.0.
"""

import importlib
import sys
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from delivery_api_client.configuration import Configuration
from target_python_sdk.delivery.replaced_api import REPLACEMENTS, ReplacedCall

_DELIVERY_API = "delivery_api_client.api.delivery_api"


class _Place(NamedTuple):
    """A name that a test may bind to something else."""

    namespace: Mapping[str, Any]
    name: str
    genuine: Any

    def replacement(self) -> Any:
        """Return what the name is bound to instead; None if it is bound as it was."""
        value = self.namespace.get(self.name, self.genuine)
        return None if value is self.genuine else value


class WatchedNames:
    """The classes and methods that 1.1.0 sent calls through."""

    def __init__(self) -> None:
        #: By module and qualified name, so that a module that is loaded again takes the place of the old one.
        self._places: Dict[Tuple[str, str], _Place] = {}

    def watch(self, kind: type, *methods: str) -> None:
        """Honour a replacement of ``kind`` in the modules that offer it, and of its ``methods``."""
        for module in ("delivery_api_client", kind.__module__.rpartition(".")[0], kind.__module__):
            self._places[module, kind.__name__] = _Place(vars(sys.modules[module]), kind.__name__, kind)
        for method in methods:
            place = _Place(vars(kind), method, vars(kind)[method])
            self._places[kind.__module__, f"{kind.__name__}.{method}"] = place

    def find_replacement(self) -> Optional[Callable[[ReplacedCall], Any]]:
        """Return the function that makes a call by the replaced method; None if nothing is replaced."""
        for place in list(self._places.values()):
            if place.replacement() is not None:
                return self._execute
        return None

    def _execute(self, call: ReplacedCall) -> Any:
        """Call ``DeliveryApi.execute`` with 1.1.0's arguments."""
        importlib.import_module(_DELIVERY_API)  # by name, as that module imports this one
        genuine_execute = self._places[_DELIVERY_API, "DeliveryApi.execute"].genuine
        client = self._current("ApiClient")(Configuration(host=call.host))
        try:
            execute = self._current("DeliveryApi")(client).execute
            keywords: Dict[str, Any] = {} if call.version is None else {"version": call.version}
            if getattr(execute, "__func__", None) is genuine_execute:
                keywords["_request_timeout"] = call.timeout  # a replacement gets what 1.1.0 passed
            return execute(call.ims_org_id, call.session_id, call.delivery_request, **keywords)
        finally:
            close = getattr(client, "close", None)
            if close is not None:
                close()

    def _current(self, name: str) -> Any:
        """Return the class of that name, or what a test put in its place."""
        places = [place for place in list(self._places.values()) if place.name == name]
        replacements = [place.replacement() for place in places]
        return next((kind for kind in replacements if kind is not None), places[0].genuine)


WATCHED = WatchedNames()
REPLACEMENTS.find = WATCHED.find_replacement
