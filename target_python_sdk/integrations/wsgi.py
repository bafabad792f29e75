"""WSGI middleware that gives each request a visit, and sets the visitor's cookies on the response.

Wrap the application, and make calls with the visit of the request::

    application = TargetMiddleware(application, client=target_client)

    visit = environ["adobe.target"]
    offers = visit.offers("hero")
"""

from typing import TYPE_CHECKING, Callable, Iterable, List, Optional

from target_python_sdk.visits.response_headers import CookieOptions, Header
from target_python_sdk.visits.settings import VisitOptions, visit_settings
from target_python_sdk.visits.visit import Visit

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from target_tools.typing_compat import Unpack

__all__ = ["ENVIRON_KEY", "CookieOptions", "TargetMiddleware", "Visit"]

#: The key of the visit in the environ.
ENVIRON_KEY = "adobe.target"


class TargetMiddleware:
    """Wraps a WSGI application. Each request has a :class:`Visit` at ``environ["adobe.target"]``.

    The middleware sets the cookies that the visit has stored when the application calls ``start_response``, and keeps
    shared caches from storing a response that depends on the visitor. ``options`` are the fields of ``VisitSettings``.
    """

    def __init__(self, application: "WSGIApplication", **options: "Unpack[VisitOptions]") -> None:
        self._application = application
        self._settings = visit_settings(options)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Call the application, and add the headers to its response."""
        visit = environ[ENVIRON_KEY] = Visit(environ, self._settings)

        def start(
            status: str, headers: List[Header], exc_info: "Optional[OptExcInfo]" = None
        ) -> Callable[[bytes], object]:
            failed = () if exc_info is None else (exc_info,)
            return start_response(status, visit.add_headers_to(headers), *failed)

        return self._application(environ, start)
