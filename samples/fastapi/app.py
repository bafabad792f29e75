"""A small shop with FastAPI: offers in a template, the state for at.js, displays and clicks.

In a checkout, install FastAPI in addition to the SDK, and run the sample::

    pip install fastapi uvicorn jinja2
    python samples/fastapi/app.py

Then open the address that it prints. It starts a Target edge on this machine with the activities in
``activities.json``. These environment variables change the defaults:

    TARGET_CLIENT, TARGET_ORGANIZATION   your client code and organization
    TARGET_DECISIONING_METHOD            server-side, on-device or hybrid
    TARGET_SERVER_DOMAIN                 host:port of a Target edge on this machine, used with http;
                                         "adobe" for Adobe's edge
    PORT                                 the port of the shop; default: 8000

``uvicorn --app-dir samples/fastapi app:app`` and ``hypercorn samples.fastapi.app:app`` also serve it.
"""

import contextlib
import os
from typing import Any, AsyncIterator, Dict, List

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel

from target_python_sdk import Offer, TargetClient
from target_python_sdk.errors import OptionError
from target_python_sdk.integrations.fastapi import CurrentVisit, TargetMiddleware
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.types import MetricType, Notification, NotificationMbox

HERE = os.path.dirname(os.path.abspath(__file__))
PRODUCTS = "products"

templates = Jinja2Templates(os.path.join(HERE, "templates"))


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Create the client without blocking the event loop. At the end, the client sends the queued notifications."""
    with contextlib.ExitStack() as stack:
        domain = os.environ.get("TARGET_SERVER_DOMAIN")
        if not domain:
            domain = stack.enter_context(LocalEdge(os.path.join(HERE, "activities.json"))).domain
        async with TargetClient.create_async(client_options(domain)) as client:
            app.state.target_client = client
            yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(TargetMiddleware, client=lambda: app.state.target_client)


@app.get("/", response_class=HTMLResponse)
async def home(request: Request, visit: CurrentVisit) -> HTMLResponse:
    """Show the page. The products are prefetched; their display is counted because the page contains them."""
    products = (await visit.offers_async(PRODUCTS, prefetch=True))[PRODUCTS]
    offers = await visit.offers_async("greeting", page_load=True, views=["cart"])
    visit.display(products)
    content = {
        "greeting": offers["greeting"].html or "Good to have you here.",
        "products": products,
        "click_tokens": click_tokens(products),
        "server_state": visit.server_state(),
    }
    return templates.TemplateResponse(request, "shop.html", content)


class Click(BaseModel):
    """A click that the script in the page reports."""

    tokens: List[str]


@app.post("/click", status_code=204)
def report_click(click: Click, visit: CurrentVisit) -> None:
    """Report a click of the browser, in the background. The SDK adds an id and the time."""
    if not click.tokens:  # a browser can send anything
        raise HTTPException(400)
    mbox = NotificationMbox(name=PRODUCTS)
    visit.notify(Notification(type=MetricType.CLICK, mbox=mbox, tokens=click.tokens))


def click_tokens(offer: Offer) -> List[str]:
    """Return the tokens with which the page reports a click; none if no activity measures clicks."""
    try:
        return list(offer.click().tokens or ())
    except OptionError:
        return []


def client_options(domain: str) -> Any:
    """Return the client options, from the environment."""
    options: Dict[str, Any] = {
        "client": os.environ.get("TARGET_CLIENT", "acmeclient"),
        "organization_id": os.environ.get("TARGET_ORGANIZATION", "1234567890@AdobeOrg"),
        "decisioning_method": os.environ.get("TARGET_DECISIONING_METHOD", "server-side"),
        "timeout": 1000,
    }
    if domain != "adobe":
        options.update(server_domain=domain, cdn_base_path=f"http://{domain}", secure=False)
    return options


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
