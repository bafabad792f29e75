"""1.1.0's generated client, by its old names: the wire types and exceptions of this SDK, the very same objects.

``ApiClient``, ``Configuration``, ``DeliveryApi`` and the modules are read when somebody names them.
"""

import importlib
from typing import TYPE_CHECKING, Any, List

from target_python_sdk.types import (
    Action,
    Address,
    AnalyticsPayload,
    AnalyticsRequest,
    AnalyticsResponse,
    Application,
    AudienceManager,
    AuthenticatedState,
    Browser,
    ChannelType,
    ClientHints,
    Context,
    CustomerId,
    DecisioningMethod,
    DeliveryRequest,
    DeliveryResponse,
    DeviceType,
    ExecuteRequest,
    ExecuteResponse,
    ExecutionMode,
    ExperienceCloud,
    Geo,
    LoggingType,
    MboxRequest,
    MboxRequestAllOf,
    MboxResponse,
    Metric,
    MetricType,
    MobilePlatform,
    MobilePlatformType,
    ModelProperty,
    Notification,
    NotificationAllOf,
    NotificationMbox,
    NotificationPageLoad,
    NotificationResponse,
    NotificationView,
    Option,
    OptionType,
    Order,
    PageLoadResponse,
    PrefetchMboxResponse,
    PrefetchMboxResponseAllOf,
    PrefetchRequest,
    PrefetchResponse,
    Preview,
    Product,
    QAMode,
    QAModePreviewIndex,
    RequestDetails,
    Screen,
    ScreenOrientationType,
    Telemetry,
    TelemetryEntry,
    TelemetryFeatures,
    TelemetryRequest,
    Trace,
    UnexpectedError,
    View,
    ViewRequest,
    ViewRequestAllOf,
    VisitorId,
    Window,
)
from target_tools.errors import ApiException, ApiKeyError, ApiTypeError, ApiValueError, OpenApiException

#: The version that 1.1.0's generated client had.
__version__ = "1.0.0"

# An old door says by itself which names it opens, though the types have most of them in a list of their own.
# pylint: disable=duplicate-code
__all__ = [
    "Action",
    "Address",
    "AnalyticsPayload",
    "AnalyticsRequest",
    "AnalyticsResponse",
    "ApiClient",
    "ApiException",
    "ApiKeyError",
    "ApiTypeError",
    "ApiValueError",
    "Application",
    "AudienceManager",
    "AuthenticatedState",
    "Browser",
    "ChannelType",
    "ClientHints",
    "Configuration",
    "Context",
    "CustomerId",
    "DecisioningMethod",
    "DeliveryApi",
    "DeliveryRequest",
    "DeliveryResponse",
    "DeviceType",
    "ExecuteRequest",
    "ExecuteResponse",
    "ExecutionMode",
    "ExperienceCloud",
    "Geo",
    "LoggingType",
    "MboxRequest",
    "MboxRequestAllOf",
    "MboxResponse",
    "Metric",
    "MetricType",
    "MobilePlatform",
    "MobilePlatformType",
    "ModelProperty",
    "Notification",
    "NotificationAllOf",
    "NotificationMbox",
    "NotificationPageLoad",
    "NotificationResponse",
    "NotificationView",
    "OpenApiException",
    "Option",
    "OptionType",
    "Order",
    "PageLoadResponse",
    "PrefetchMboxResponse",
    "PrefetchMboxResponseAllOf",
    "PrefetchRequest",
    "PrefetchResponse",
    "Preview",
    "Product",
    "QAMode",
    "QAModePreviewIndex",
    "RequestDetails",
    "Screen",
    "ScreenOrientationType",
    "Telemetry",
    "TelemetryEntry",
    "TelemetryFeatures",
    "TelemetryRequest",
    "Trace",
    "UnexpectedError",
    "View",
    "ViewRequest",
    "ViewRequestAllOf",
    "VisitorId",
    "Window",
    "__version__",
]

_MODULES = ("Model", "api", "api_client", "configuration", "exceptions", "rest")
_HOMES = {"ApiClient": "api_client", "Configuration": "configuration", "DeliveryApi": "api.delivery_api"}

if TYPE_CHECKING:
    from delivery_api_client import Model as Model
    from delivery_api_client import api as api
    from delivery_api_client import api_client as api_client
    from delivery_api_client import configuration as configuration
    from delivery_api_client import exceptions as exceptions
    from delivery_api_client import rest as rest
    from delivery_api_client.api.delivery_api import DeliveryApi
    from delivery_api_client.api_client import ApiClient
    from delivery_api_client.configuration import Configuration
else:  # a type checker that saw this would believe in every name

    def __getattr__(name: str) -> Any:
        """What sends requests, read when somebody asks for it: most programs want the types alone."""
        if name in _MODULES:
            return importlib.import_module("{}.{}".format(__name__, name))
        if name in _HOMES:
            return getattr(importlib.import_module("{}.{}".format(__name__, _HOMES[name])), name)
        raise AttributeError("module {!r} has no attribute {!r}".format(__name__, name))


def __dir__() -> List[str]:
    """The names that are there and those that come when asked for."""
    return sorted({*globals(), *__all__, *_MODULES})
