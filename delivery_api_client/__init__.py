"""1.1.0's generated client: the models and exceptions are those of this SDK.

``ApiClient``, ``Configuration``, ``DeliveryApi`` and the submodules are imported on first use, because most programs
need only the models.
"""

import importlib
from typing import TYPE_CHECKING, Any, List

from target_tools.errors import ApiException as ApiException
from target_tools.errors import ApiKeyError as ApiKeyError
from target_tools.errors import ApiTypeError as ApiTypeError
from target_tools.errors import ApiValueError as ApiValueError
from target_tools.errors import OpenApiException as OpenApiException

from .models import MODELS

#: The version of 1.1.0's generated client.
__version__ = "1.0.0"

if TYPE_CHECKING:
    from target_python_sdk.types import *  # noqa: F403 - at run time the models come from MODELS

    from . import Model as Model
    from . import api as api
    from . import api_client as api_client
    from . import configuration as configuration
    from . import exceptions as exceptions
    from . import rest as rest
    from .api.delivery_api import DeliveryApi as DeliveryApi
    from .api_client import ApiClient as ApiClient
    from .configuration import Configuration as Configuration
    from .models import DecisioningMethod as DecisioningMethod  # type: ignore[assignment]
else:  # type checkers would accept every name because of __getattr__
    _MODULES = ("Model", "api", "api_client", "configuration", "exceptions", "rest")
    _LAZY = {"ApiClient": "api_client", "Configuration": "configuration", "DeliveryApi": "api.delivery_api"}
    _ERRORS = ("ApiException", "ApiKeyError", "ApiTypeError", "ApiValueError", "OpenApiException")
    globals().update(MODELS)
    __all__ = sorted([*MODELS, *_LAZY, *_ERRORS, "__version__"])  # noqa: PLE0605 - a list

    def __getattr__(name: str) -> Any:
        """Import a module or a class that sends requests."""
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        if name in _LAZY:
            return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> List[str]:
        """Return all names, including those that are not imported yet."""
        return sorted({*globals(), *__all__, *_MODULES})
