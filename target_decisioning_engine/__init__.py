"""1.1.0's decisioning engine, for use without a client.

A ``TargetClient`` with ``decisioning_method`` ``on-device`` or ``hybrid`` does not need a separate engine.
"""

from importlib import import_module
from importlib.util import find_spec
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
    from target_decisioning_engine.constants import SUPPORTED_ARTIFACT_MAJOR_VERSION as SUPPORTED_ARTIFACT_MAJOR_VERSION
    from target_decisioning_engine.context_provider import create_decisioning_context as create_decisioning_context
    from target_decisioning_engine.engine import TargetDecisioningEngine as TargetDecisioningEngine
    from target_decisioning_engine.messages import MESSAGES as MESSAGES
    from target_decisioning_engine.utils import match_major_version as match_major_version
else:  # type checkers would accept every name because of __getattr__
    #: Names of 1.1.0's package, and the modules that define them.
    _HOMES = {
        "MESSAGES": "messages",
        "SUPPORTED_ARTIFACT_MAJOR_VERSION": "constants",
        "TargetDecisioningEngine": "engine",
        "create_decisioning_context": "context_provider",
        "match_major_version": "utils",
    }

    def __getattr__(name: str) -> Any:
        """Import the engine, a name or a module on first use."""
        if name in _HOMES:
            return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        if find_spec(f"{__name__}.{name}") is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module(f"{__name__}.{name}")


def __dir__() -> List[str]:
    """Return all names, including those that are not imported yet."""
    return sorted({*globals(), *__all__})
