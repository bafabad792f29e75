"""One class for each component of the Delivery API's schema, and the envelope that a call returns."""

from typing import TYPE_CHECKING

from target_tools.enums import DecisioningMethod as DecisioningMethod

from .commerce import Order as Order
from .commerce import Product as Product
from .context import Address as Address
from .context import Application as Application
from .context import Browser as Browser
from .context import ClientHints as ClientHints
from .context import Context as Context
from .context import Geo as Geo
from .context import MobilePlatform as MobilePlatform
from .context import Screen as Screen
from .context import Window as Window
from .details import MboxRequest as MboxRequest
from .details import MboxRequestAllOf as MboxRequestAllOf
from .details import RequestDetails as RequestDetails
from .details import ViewRequest as ViewRequest
from .details import ViewRequestAllOf as ViewRequestAllOf
from .enums import AuthenticatedState as AuthenticatedState
from .enums import ChannelType as ChannelType
from .enums import Choice as Choice
from .enums import DeviceType as DeviceType
from .enums import ExecutionMode as ExecutionMode
from .enums import LoggingType as LoggingType
from .enums import MetricType as MetricType
from .enums import MobilePlatformType as MobilePlatformType
from .enums import OptionType as OptionType
from .enums import ScreenOrientationType as ScreenOrientationType
from .experience_cloud import AnalyticsPayload as AnalyticsPayload
from .experience_cloud import AnalyticsRequest as AnalyticsRequest
from .experience_cloud import AnalyticsResponse as AnalyticsResponse
from .experience_cloud import AudienceManager as AudienceManager
from .experience_cloud import ExperienceCloud as ExperienceCloud
from .notification import Notification as Notification
from .notification import NotificationAllOf as NotificationAllOf
from .notification import NotificationMbox as NotificationMbox
from .notification import NotificationPageLoad as NotificationPageLoad
from .notification import NotificationResponse as NotificationResponse
from .notification import NotificationView as NotificationView
from .request import DeliveryRequest as DeliveryRequest
from .request import ExecuteRequest as ExecuteRequest
from .request import ModelProperty as ModelProperty
from .request import PrefetchRequest as PrefetchRequest
from .request import Preview as Preview
from .request import QAMode as QAMode
from .request import QAModePreviewIndex as QAModePreviewIndex
from .request import Trace as Trace
from .response import Action as Action
from .response import DeliveryResponse as DeliveryResponse
from .response import ExecuteResponse as ExecuteResponse
from .response import MboxResponse as MboxResponse
from .response import Metric as Metric
from .response import Option as Option
from .response import PageLoadResponse as PageLoadResponse
from .response import PrefetchMboxResponse as PrefetchMboxResponse
from .response import PrefetchMboxResponseAllOf as PrefetchMboxResponseAllOf
from .response import PrefetchResponse as PrefetchResponse
from .response import UnexpectedError as UnexpectedError
from .response import View as View
from .target_delivery_response import ResponseMeta as ResponseMeta
from .target_delivery_response import TargetCookie as TargetCookie
from .target_delivery_response import TargetDeliveryResponse as TargetDeliveryResponse
from .telemetry import Telemetry as Telemetry
from .telemetry import TelemetryEntry as TelemetryEntry
from .telemetry import TelemetryFeatures as TelemetryFeatures
from .telemetry import TelemetryRequest as TelemetryRequest
from .visitor import CustomerId as CustomerId
from .visitor import VisitorId as VisitorId

if not TYPE_CHECKING:  # type checkers export names that are imported as themselves
    __all__ = [name for name in sorted(globals()) if name[0].isupper() and name != "TYPE_CHECKING"]
