"""The PyInstaller hook for ``target_tools``, which every package of the SDK imports.

Without this hook, PyInstaller finds neither the data files nor the modules that a package imports on first use.
"""

from typing import List

from PyInstaller.utils.hooks import (  # pyright: ignore[reportMissingImports]
    collect_data_files,
    collect_submodules,
)

#: Modules that an application imports by their names, if it needs them, so PyInstaller finds them.
_IMPORTED_BY_NAME = (
    "target_tools.pytest_plugin",
    "target_python_sdk.__main__",
    "target_python_sdk.commands",
    "target_python_sdk.inspection",
    "target_python_sdk.integrations",
    "target_python_sdk.local_edge",
    "target_python_sdk.testing",
)


def _is_imported_lazily(name: str) -> bool:
    return not any(name == each or name.startswith(f"{each}.") for each in _IMPORTED_BY_NAME)


def _lazy_modules(package: str) -> List[str]:
    found: List[str] = collect_submodules(package, filter=_is_imported_lazily)
    return found


hiddenimports = (
    _lazy_modules("target_tools")
    + _lazy_modules("target_python_sdk")
    + _lazy_modules("target_decisioning_engine")
    + _lazy_modules("delivery_api_client")
)
datas = collect_data_files("target_tools") + collect_data_files("target_python_sdk")
