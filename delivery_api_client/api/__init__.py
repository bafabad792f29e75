"""1.1.0's package of APIs."""

from delivery_api_client.api.delivery_api import DeliveryApi

__all__ = ["DeliveryApi"]
