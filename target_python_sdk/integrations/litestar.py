"""A plugin of Litestar that gives each request a visit, as the dependency ``visit``.

Pass the plugin to the application, and let a handler declare the visit::

    @get("/")
    async def home(visit: CurrentVisit) -> str:
        offers = await visit.offers_async("hero")

    app = Litestar([home], plugins=[TargetPlugin(client=target_client)])
"""

from typing import TYPE_CHECKING, Any

from litestar import Request
from litestar.config.app import AppConfig
from litestar.di import NamedDependency, Provide
from litestar.middleware import DefineMiddleware
from litestar.plugins import InitPlugin

from target_python_sdk.integrations.asgi import TargetMiddleware, visit_of
from target_python_sdk.visits.settings import VisitOptions, visit_settings
from target_python_sdk.visits.visit import Visit

if TYPE_CHECKING:
    from target_tools.typing_compat import Unpack

__all__ = ["CurrentVisit", "TargetPlugin"]

#: The type of a handler's parameter ``visit``.
CurrentVisit = NamedDependency[Visit]


class TargetPlugin(InitPlugin):
    """Adds the middleware and the dependency ``visit``. ``options`` are the fields of ``VisitSettings``."""

    def __init__(self, **options: "Unpack[VisitOptions]") -> None:
        visit_settings(options)  # raises here for an invalid option
        self._middleware = DefineMiddleware(TargetMiddleware, **options)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Change the configuration of the application."""
        app_config.middleware.append(self._middleware)
        app_config.dependencies.setdefault("visit", Provide(_visit))
        return app_config


async def _visit(request: Request[Any, Any, Any]) -> Visit:
    return visit_of(request)
