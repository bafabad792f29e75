"""Flask extension that gives each request a visit, and sets the visitor's cookies on the response.

Create the extension with the application, and make calls with the visit of the request::

    target = Target(app, client=target_client)

    offers = current_visit.offers("hero")
"""

from typing import TYPE_CHECKING, Any, Dict, Optional, cast

from flask import current_app, request
from werkzeug.local import LocalProxy

from target_python_sdk.integrations.wsgi import ENVIRON_KEY
from target_python_sdk.visits.response_headers import CookieOptions
from target_python_sdk.visits.settings import VisitOptions, VisitSettings, visit_settings
from target_python_sdk.visits.visit import Visit
from target_tools.errors import OptionError

if TYPE_CHECKING:
    from flask import Flask, Response

    from target_tools.typing_compat import Unpack

__all__ = ["CookieOptions", "Target", "Visit", "current_visit"]

#: The name of the extension in ``app.extensions``.
_EXTENSION = "target"


class Target:
    """The extension. :data:`current_visit` is the visit of the current request of an application that uses it.

    ``options`` are the fields of ``VisitSettings``. Without ``app``, call :meth:`init_app`. Several applications can
    use the same extension.
    """

    def __init__(self, app: "Optional[Flask]" = None, **options: "Unpack[VisitOptions]") -> None:
        self._options = options
        visit_settings(options)  # reports mistakes here
        if app is not None:
            self.init_app(app)

    def init_app(self, app: "Flask", **options: "Unpack[VisitOptions]") -> None:
        """Use the extension in ``app``. ``options`` take precedence over those of the extension."""
        settings = visit_settings({**self._options, **options})
        is_new = _EXTENSION not in app.extensions
        app.extensions[_EXTENSION] = settings
        if is_new:
            app.after_request(_set_cookies)
            app.context_processor(_template_context)


def _settings() -> VisitSettings:
    settings: Optional[VisitSettings] = current_app.extensions.get(_EXTENSION)
    if settings is None:
        raise OptionError(
            f"Invalid argument 'app': the application {current_app.name!r} has no Target extension; "
            "call Target(app, client=…)",
            "app",
        )
    return settings


def _current_visit() -> Visit:
    """Return the visit of the current request, which the first access creates."""
    # It is not in flask.g, which requests share if a test sends them within one application context.
    visit: Optional[Visit] = request.environ.get(ENVIRON_KEY)
    if visit is None:
        visit = request.environ[ENVIRON_KEY] = Visit(request.environ, _settings())
    return visit


#: The visit of the current request.
current_visit: Visit = cast("Visit", LocalProxy(_current_visit))


def _set_cookies(response: "Response") -> "Response":
    if ENVIRON_KEY in request.environ or _settings().accept_client_hints:
        _current_visit().set_cookies(response)
    return response


def _template_context() -> Dict[str, Any]:
    """Return the names that templates can use."""
    return {"target_visit": current_visit, "server_state": _server_state}


def _server_state() -> str:
    return current_visit.server_state()
