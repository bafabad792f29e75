"""1.1.0's decisioning engine, for use without a client.

A ``TargetClient`` with ``decisioning_method`` ``on-device`` or ``hybrid`` includes all of it.
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
else:  # type checkers would accept every name because of __getattr__
    #: The modules that 1.1.0's package imported.
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
        """Import the engine or a module on first use."""
        if name == "TargetDecisioningEngine":
            return import_module("target_decisioning_engine.engine").TargetDecisioningEngine
        if name in _MODULES:
            return import_module("target_decisioning_engine." + name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    """Return all names, including those that are not imported yet."""
    return sorted({*globals(), *__all__})
