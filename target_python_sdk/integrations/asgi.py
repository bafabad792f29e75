"""ASGI middleware that gives each request a visit, and sets the visitor's cookies on the response.

Wrap the application, and make calls with the visit of the request::

    application = TargetMiddleware(application, client=target_client)

    visit = visit_of(request)
    offers = await visit.offers_async("hero")
"""

from typing import TYPE_CHECKING, Any, Awaitable, Callable, Mapping, Protocol, Union

from target_python_sdk.visits.response_headers import CookieOptions
from target_python_sdk.visits.settings import VisitOptions, visit_settings
from target_python_sdk.visits.visit import Visit
from target_tools.errors import OptionError

if TYPE_CHECKING:
    from target_tools.typing_compat import Unpack

__all__ = ["SCOPE_KEY", "CookieOptions", "TargetMiddleware", "visit_of"]

#: The key of the visit in the scope.
SCOPE_KEY = "adobe.target"

#: The types of scopes and messages differ between frameworks: a ``MutableMapping``, or several ``TypedDict`` classes.
Scope = Any
Message = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


class HasScope(Protocol):
    """A request of Starlette, FastAPI, Litestar, Quart or Django."""

    @property
    def scope(self) -> Scope:
        """The ASGI scope."""


class TargetMiddleware:
    """Wraps an ASGI application. Each HTTP request has a :class:`Visit` at ``scope["adobe.target"]``.

    The middleware sets the cookies that the visit has stored when the application starts its response, and keeps shared
    caches from storing a response that depends on the visitor. WebSockets and the lifespan are passed on unchanged.
    ``options`` are the fields of ``VisitSettings``.
    """

    def __init__(self, app: Application, **options: "Unpack[VisitOptions]") -> None:
        self._application = app
        self._settings = visit_settings(options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, and add the headers to its response."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        # Change the scope itself and not a copy: monitors read what the application adds to it, such as the route.
        visit = scope[SCOPE_KEY] = Visit.of(scope, self._settings)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _with_headers_of(visit, message.get("headers", ()))}
            await send(message)

        await self._application(scope, receive, send_with_headers)


def visit_of(request: Union[HasScope, Mapping[str, Any]]) -> Visit:
    """Return the visit of a request of Starlette, FastAPI, Litestar, Quart or Django, or of an ASGI scope.

    Raises ``OptionError`` if the middleware has not handled the request, and for WebSockets.
    """
    scope = request if isinstance(request, Mapping) else request.scope
    visit = scope.get(SCOPE_KEY)
    if isinstance(visit, Visit):
        return visit
    if scope.get("type") == "websocket":
        problem = "a WebSocket has no visit; create one with Visit.of(websocket, VisitSettings(client=…))"
    else:
        problem = "this request has no visit; add TargetMiddleware to the application"
    raise OptionError(f"Invalid argument 'request': {problem}", "request")


def _with_headers_of(visit: Visit, headers: Any) -> Any:
    """Return the headers of a response with those of the visit. ASGI requires names in lower case."""
    decoded = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    added = visit.add_headers_to(decoded)
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in added]
