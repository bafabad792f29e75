"""1.1.0's models. Each model also has its own module, such as ``Model.delivery_request``."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, List

from delivery_api_client.models import MODELS

if TYPE_CHECKING:  # each module has a stub file
    from delivery_api_client.models import DecisioningMethod as DecisioningMethod
    from target_python_sdk.types import *  # type: ignore[assignment]  # noqa: F403
else:
    #: Models that 1.1.0 did not have.
    _NEWER = {"ClientHints", "ExecutionMode", "TelemetryRequest"}

    def _add_modules(package: str, models: List[str]) -> List[str]:
        """Create a module for each model and return the names of the modules.

        Sixty files, one for each model, would slow the import down.
        """
        names = []
        for model in models:
            letters = model.replace("QA", "Qa")
            name = "".join("_" + letter.lower() if letter.isupper() else letter for letter in letters)[1:]
            module = ModuleType(f"{package}.{name}", f"``{model}``, as in 1.1.0.")
            module.__dict__.update({model: MODELS[model], "__all__": [model], "__package__": package})
            module.__spec__ = ModuleSpec(module.__name__, None)
            sys.modules[module.__name__] = module
            globals().update({model: MODELS[model], name: module})
            names.append(name)
        return names

    __all__ = [name for name in MODELS if name not in _NEWER]
    __all__.extend(_add_modules(__name__, __all__))
