"""The visit of a request as a dependency of FastAPI.

Add the middleware, and let a view declare the visit::

    app = FastAPI()
    app.add_middleware(TargetMiddleware, client=target_client)

    @app.get("/")
    async def home(visit: CurrentVisit) -> HTMLResponse:
        offers = await visit.offers_async("hero")
"""

from fastapi import Depends
from fastapi.requests import HTTPConnection

from target_python_sdk.integrations.asgi import TargetMiddleware, visit_of
from target_python_sdk.visits.visit import Visit
from target_tools.typing_compat import Annotated

__all__ = ["CurrentVisit", "TargetMiddleware", "visit"]


async def visit(connection: HTTPConnection) -> Visit:
    """Return the visit of the current request. Raises ``OptionError`` without the middleware, and for WebSockets."""
    return visit_of(connection)


#: The type of a view's parameter that gets the visit.
CurrentVisit = Annotated[Visit, Depends(visit)]
