"""Django integration: ``request.target`` is the visit of the request, and its cookies are set on the response.

Add the middleware and a client to the settings of the project, and make calls with the visit of the request::

    MIDDLEWARE = [..., "target_python_sdk.integrations.django.TargetMiddleware"]
    TARGET = {"client": "shop.clients.target_client"}

    offers = request.target.offers("hero")
"""

from target_python_sdk.integrations.django.configuration import InvalidSetting
from target_python_sdk.integrations.django.middleware import TargetMiddleware, TargetRequest
from target_python_sdk.visits.response_headers import CookieOptions
from target_python_sdk.visits.visit import Visit

__all__ = ["CookieOptions", "InvalidSetting", "TargetMiddleware", "TargetRequest", "Visit"]
