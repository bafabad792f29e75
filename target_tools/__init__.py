"""The foundation: HTTP, threads and the rule language.

Only the pytest plugin and some modules kept for 1.1.0 import ``target_python_sdk``.
"""

from typing import TYPE_CHECKING, Any

if not TYPE_CHECKING:  # type checkers would accept every name because of __getattr__
    #: The modules that ``import target_tools`` also imported in 1.1.0.
    _OLD_MODULES = (
        "client_info", "constants", "hashing", "messages", "perf_tool", "response_helpers", "types", "utils",
    )  # fmt: skip

    def __getattr__(name: str) -> Any:
        """Import a module of 1.1.0 when it is first used."""
        if name not in _OLD_MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - needed by code written for 1.1.0 only

        return import_module(f"{__name__}.{name}")
