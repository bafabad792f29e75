"""The models of the Delivery API as ``delivery_api_client`` exports them."""

from typing import Dict, Iterator, Type

from target_python_sdk import types
from target_tools import enums
from target_tools.schema.model import Model


class DecisioningMethod(Model):
    """1.1.0's class of ``str`` constants; elsewhere in the SDK this name is a ``str`` enumeration."""

    SERVER_SIDE = enums.DecisioningMethod.SERVER_SIDE.value
    ON_DEVICE = enums.DecisioningMethod.ON_DEVICE.value
    HYBRID = enums.DecisioningMethod.HYBRID.value


def _models() -> Iterator[Type[Model]]:
    for name in types.__all__:
        value = getattr(types, name)
        if isinstance(value, type) and issubclass(value, Model):
            yield value


#: The models by name.
MODELS: Dict[str, Type[Model]] = {model.__name__: model for model in (*_models(), DecisioningMethod)}
