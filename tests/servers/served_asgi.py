"""The ASGI application that uvicorn and hypercorn run under test.

The client is created in the lifespan. ``EDGE`` is the server of the client.
"""

import contextlib
import os
from types import SimpleNamespace

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from target_python_sdk import TargetClient
from target_python_sdk.integrations.asgi import TargetMiddleware, visit_of
from target_python_sdk.types import Notification, NotificationMbox
from tests.support import options_for


@contextlib.asynccontextmanager
async def lifespan(app):
    """Create the client; at the end, flush and close it."""
    edge = SimpleNamespace(domain=os.environ["EDGE"])
    async with TargetClient.create_async(options_for(edge, max_workers=2, shutdown_timeout=60000)) as client:
        app.state.client = client
        yield
        print("the lifespan ends", flush=True)  # noqa: T201 - the test reads it


async def home(request):
    """Serve the offer, and report its display."""
    visit = visit_of(request)
    offers = await visit.offers_async("hero", prefetch=True)
    visit.display(offers["hero"])
    return PlainTextResponse(offers["hero"].html or "default")


async def streamed(request):
    """Stream the offer."""
    offers = await visit_of(request).offers_async("hero", prefetch=True)

    async def body():
        for letter in offers["hero"].html or "default":
            yield letter

    return StreamingResponse(body())


async def clicked(request):
    """Report the click of an offer in the background."""
    visit = visit_of(request)
    visit.click((await visit.offers_async("hero", prefetch=True))["hero"])
    return PlainTextResponse("")


async def report(request):
    """Report many displays without waiting for them."""
    mbox = NotificationMbox(name="hero")
    for _ in range(int(request.query_params["count"])):
        visit_of(request).notify(Notification(type="display", mbox=mbox, tokens=[request.query_params["token"]]))
    return PlainTextResponse("")


async def echo(websocket):
    """Send each text back."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


routes = [
    Route("/", home),
    Route("/streamed", streamed),
    Route("/clicked", clicked),
    Route("/report", report),
    WebSocketRoute("/echo", echo),
]
application = Starlette(routes=routes, lifespan=lifespan)
application.add_middleware(TargetMiddleware, client=lambda: application.state.client)
