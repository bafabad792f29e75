"""Middleware that gives each request a visit, for synchronous and asynchronous views."""

import inspect
from typing import Any, Callable, cast

from django.conf import settings
from django.http import HttpRequest

from target_python_sdk.integrations.django.configuration import visit_settings_of
from target_python_sdk.visits.environ import environ_of
from target_python_sdk.visits.visit import Visit

try:
    from asgiref import sync

    _mark_as_async: Any = getattr(sync, "markcoroutinefunction", None)
except ImportError:  # Django 2.2 does not need asgiref
    _mark_as_async = None


class TargetRequest(HttpRequest):
    """A request with a visit, for annotations of views. The middleware adds the visit to Django's own requests."""

    target: Visit


class TargetMiddleware:
    """Gives each request a visit, ``request.target``, and adds the visit's cookies and headers to the response.

    It is asynchronous if the next middleware or the view is, so that Django needs no thread to call it.
    """

    sync_capable = True
    # Without the function that marks the middleware as asynchronous, Django calls it in a thread.
    async_capable = _mark_as_async is not None

    def __init__(self, get_response: Callable[..., Any]) -> None:
        self._get_response = get_response
        self._settings = visit_settings_of(settings)
        self._is_async = inspect.iscoroutinefunction(get_response)
        if self._is_async and self.async_capable:
            _mark_as_async(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response to a request, or an awaitable of it."""
        visit = Visit(_environ_of(request), self._settings)
        cast("TargetRequest", request).target = visit
        if self._is_async:
            return self._awaited(visit, request)
        response = self._get_response(request)
        visit.set_cookies(response)
        return response

    async def _awaited(self, visit: Visit, request: HttpRequest) -> Any:
        response = await self._get_response(request)
        visit.set_cookies(response)
        return response


def _environ_of(request: Any) -> Any:
    """Return the WSGI variables for a request, which may come from an ASGI server or from a test."""
    environ: Any = environ_of(request)
    # Use Django's own settings about proxies.
    environ["wsgi.url_scheme"] = request.scheme
    if settings.SECURE_PROXY_SSL_HEADER:
        environ.pop("HTTP_X_FORWARDED_PROTO", None)
    if settings.USE_X_FORWARDED_HOST and "HTTP_X_FORWARDED_HOST" in environ:
        environ["HTTP_HOST"] = environ["HTTP_X_FORWARDED_HOST"]
    return environ
