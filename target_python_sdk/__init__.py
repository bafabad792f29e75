"""The Python SDK for Adobe Target's Delivery API.

::

    from target_python_sdk import TargetClient

    target_client = TargetClient.create({"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"})
"""

from target_python_sdk.client import AuthState, TargetClient
from target_python_sdk.delivery.option_types import AttributesOptions, CallOptions, ClientOptions
from target_python_sdk.ready import CLIENT_READY, CLIENT_READY_DELAY
from target_python_sdk.types import TargetDeliveryResponse
from target_python_sdk.version import __version__
from target_tools.attributes_provider import AttributesProvider

__all__ = [
    "CLIENT_READY",
    "CLIENT_READY_DELAY",
    "AttributesOptions",
    "AttributesProvider",
    "AuthState",
    "CallOptions",
    "ClientOptions",
    "TargetClient",
    "TargetDeliveryResponse",
    "__version__",
]
