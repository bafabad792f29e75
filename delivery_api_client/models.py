"""The models of the Delivery API as ``delivery_api_client`` exports them."""

from typing import Dict, Type

from target_python_sdk import types
from target_tools import enums
from target_tools.schema.model import Model


class DecisioningMethod(Model):
    """1.1.0's class of ``str`` constants; elsewhere in the SDK this name is a ``str`` enumeration."""

    SERVER_SIDE = enums.DecisioningMethod.SERVER_SIDE.value
    ON_DEVICE = enums.DecisioningMethod.ON_DEVICE.value
    HYBRID = enums.DecisioningMethod.HYBRID.value


#: The models by name.
MODELS: Dict[str, Type[Model]] = {
    **{name: cls for name, cls in vars(types).items() if isinstance(cls, type) and issubclass(cls, Model)},
    "DecisioningMethod": DecisioningMethod,
}
