"""1.1.0's folder of APIs: one."""

from delivery_api_client.api.delivery_api import DeliveryApi

__all__ = ["DeliveryApi"]
