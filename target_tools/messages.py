"""Message texts of 1.1.0, unchanged."""

from typing import Optional

from target_python_sdk.delivery.legacy_messages import DECISIONING_ENGINE_NOT_READY
from target_tools.attributes_provider import attribute_not_exist

__all__ = ["DECISIONING_ENGINE_NOT_READY", "attribute_not_exist", "property_token_mismatch"]


def property_token_mismatch(request_property: Optional[str], config_property: Optional[str]) -> str:
    """Return the warning about a request whose property differs from the client's."""
    return (
        f"The property token specified in the request '{request_property}' "
        f"does not match the one specified in the config '{config_property}'."
    )
