"""The Python SDK for Adobe Target's Delivery API.

::

    from target_python_sdk import TargetClient

    target_client = TargetClient.create({"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"})
"""

from typing import TYPE_CHECKING, Any, List

# Not used here. Our deeper modules need urllib3, and importing it first saves time: since Python 3.11, an import inside
# five levels of other imports takes 10 % longer.
import urllib3  # noqa: F401

from target_python_sdk.client import AuthState, TargetClient
from target_python_sdk.events import CLIENT_READY, CLIENT_READY_DELAY
from target_python_sdk.types import TargetDeliveryResponse
from target_python_sdk.version import __version__
from target_tools.attributes_provider import AttributesProvider
from target_tools.enums import DecisioningMethod
from target_tools.event_provider import EventProvider

__all__ = [
    "CLIENT_READY",
    "CLIENT_READY_DELAY",
    "AsyncResult",
    "AttributesCallbackOptions",
    "AttributesOptions",
    "AttributesProvider",
    "AuthState",
    "CallOptions",
    "CallbackOptions",
    "ClientOptions",
    "ClientStats",
    "Cookie",
    "CookieOptions",
    "DecisioningMethod",
    "EventProvider",
    "ExperienceCloudVisitor",
    "Explanation",
    "Observed",
    "Offer",
    "TargetClient",
    "TargetDeliveryResponse",
    "Visit",
    "VisitSettings",
    "__version__",
]

# 1.1.0's names
DEFAULT_TIMEOUT = 3000
DEFAULT_OPTS = {"internal": True, "decisioning_method": "server-side"}
#: Submodules that 1.1.0 imported together with the package. Here they are imported on first use.
_OLD_MODULES = ("cookies", "helper", "messages", "validators")
#: The module of each name that is imported on first use: types for annotations, and further names of 1.1.0's package.
_MODULE_OF = {
    "AsyncResult": "target_tools.concurrency.tasks",
    "AttributesCallbackOptions": "target_python_sdk.delivery.option_types",
    "AttributesOptions": "target_python_sdk.delivery.option_types",
    "CallOptions": "target_python_sdk.delivery.option_types",
    "CallbackOptions": "target_python_sdk.delivery.option_types",
    "ClientOptions": "target_python_sdk.delivery.option_types",
    "ClientStats": "target_python_sdk.stats",
    "Cookie": "target_python_sdk.offers",
    "CookieOptions": "target_python_sdk.visits.response_headers",
    "DecisioningConfig": "target_decisioning_engine.types.decisioning_config",
    "EMPTY_REQUEST": "target_tools.constants",
    "ExperienceCloudVisitor": "target_python_sdk.visitor",
    "Explanation": "target_python_sdk.explain.explanation",
    "MESSAGES": "target_python_sdk.messages",
    "Observed": "target_python_sdk.observers",
    "Offer": "target_python_sdk.offers",
    "TargetDecisioningEngine": "target_decisioning_engine.engine",
    "Visit": "target_python_sdk.visits.visit",
    "VisitSettings": "target_python_sdk.visits.settings",
    "get_logger": "target_tools.logger",
    "validate_client_options": "target_python_sdk.validators",
    "validate_get_offers_options": "target_python_sdk.validators",
    "validate_send_notifications_options": "target_python_sdk.validators",
}

if TYPE_CHECKING:
    from target_python_sdk.delivery.option_types import (
        AttributesCallbackOptions,
        AttributesOptions,
        CallbackOptions,
        CallOptions,
        ClientOptions,
    )
    from target_python_sdk.explain.explanation import Explanation
    from target_python_sdk.observers import Observed
    from target_python_sdk.offers import Cookie, Offer
    from target_python_sdk.stats import ClientStats
    from target_python_sdk.types import DeliveryRequest
    from target_python_sdk.visitor import ExperienceCloudVisitor
    from target_python_sdk.visits.response_headers import CookieOptions
    from target_python_sdk.visits.settings import VisitSettings
    from target_python_sdk.visits.visit import Visit
    from target_tools.concurrency.tasks import AsyncResult

    #: A request without mboxes, views and notifications, for the channel ``web``.
    EMPTY_REQUEST: DeliveryRequest
else:  # hidden from type checkers, which would otherwise accept any attribute name

    def __getattr__(name: str) -> Any:
        """Import a name or a module of 1.1.0 on first use."""
        if name not in _OLD_MODULES and name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - few programs need it

        module = _MODULE_OF.get(name)
        return import_module(f"{__name__}.{name}") if module is None else getattr(import_module(module), name)


def __dir__() -> List[str]:
    """Return the names of this module, including the public ones that are imported on first use."""
    return sorted({*globals(), *__all__})
