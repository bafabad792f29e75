"""The ground floor: Python and bytes.  Knows nothing of Target's API and nothing of a client."""

from typing import TYPE_CHECKING, Any

if not TYPE_CHECKING:  # a type checker that saw this would believe in every name
    #: Importing 1.1.0 imported them, too.
    _OLD_MODULES = (
        "client_info", "constants", "hashing", "messages", "perf_tool", "response_helpers", "types", "utils",
    )  # fmt: skip

    def __getattr__(name: str) -> Any:
        """A module by its name, read when somebody asks for it."""
        if name not in _OLD_MODULES:
            raise AttributeError("module {!r} has no attribute {!r}".format(__name__, name))
        from importlib import import_module  # noqa: PLC0415 - 1.1.0's users alone

        return import_module("{}.{}".format(__name__, name))
