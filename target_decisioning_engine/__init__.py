"""1.1.0's decisioning engine by its old names: rule artifacts and decisions by them, without a client.

Whoever has a ``TargetClient`` with ``decisioning_method`` ``on-device`` or ``hybrid`` has all of this already.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, List

__all__ = ["TargetDecisioningEngine"]

if TYPE_CHECKING:
    from target_decisioning_engine import allocation_provider as allocation_provider
    from target_decisioning_engine import constants as constants
    from target_decisioning_engine import context_provider as context_provider
    from target_decisioning_engine import enums as enums
    from target_decisioning_engine import events as events
    from target_decisioning_engine import filters as filters
    from target_decisioning_engine import messages as messages
    from target_decisioning_engine import timings as timings
    from target_decisioning_engine import types as types
    from target_decisioning_engine import utils as utils
    from target_decisioning_engine.engine import TargetDecisioningEngine as TargetDecisioningEngine
else:  # a type checker that saw this would believe in every name
    #: What 1.1.0's package had as attributes, as it imported all of it.
    _MODULES = (
        "allocation_provider",
        "constants",
        "context_provider",
        "enums",
        "events",
        "filters",
        "messages",
        "timings",
        "types",
        "utils",
    )

    def __getattr__(name: str) -> Any:
        """The engine and the modules, read when somebody asks for one."""
        if name == "TargetDecisioningEngine":
            return import_module("target_decisioning_engine.engine").TargetDecisioningEngine
        if name in _MODULES:
            return import_module("target_decisioning_engine." + name)
        raise AttributeError("module {!r} has no attribute {!r}".format(__name__, name))


def __dir__() -> List[str]:
    """The names that are there and those that come when asked for."""
    return sorted({*globals(), *__all__})
