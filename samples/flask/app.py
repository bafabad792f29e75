"""A small shop with Flask: blocking calls, callbacks, awaited calls and prefetching.

In a checkout, install Flask in addition to the SDK, and run the sample::

    pip install "flask[async]"
    python samples/flask/app.py

Then open the address that it prints. It starts a Target edge on this machine with the activities in
``activities.json``. These environment variables change the defaults:

    TARGET_CLIENT, TARGET_ORGANIZATION   your client code and organization
    TARGET_DECISIONING_METHOD            server-side, on-device or hybrid
    TARGET_SERVER_DOMAIN                 host:port of a Target edge on this machine, used with http;
                                         "adobe" for Adobe's edge
    PORT                                 the port of the shop; default: 5000

``flask --app "samples/flask/app:create_application()" run`` also serves it, without starting an edge.
"""

import asyncio
import contextlib
import functools
import importlib.util
import inspect
import os
import sys
import textwrap
import uuid
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence

from flask import Flask, abort, jsonify, render_template, request

from target_python_sdk import ClientOptions, Offer, TargetClient
from target_python_sdk.errors import OptionError
from target_python_sdk.integrations.flask import Target, Visit, current_visit
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.types import (
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    MetricType,
    Notification,
    NotificationMbox,
    PrefetchRequest,
    ViewRequest,
)

HERE = os.path.dirname(os.path.abspath(__file__))
GREETING = "greeting"
SHIPPING = "shipping"
PRODUCTS = "products"

greeting_request = DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name=GREETING)]))
products_request = DeliveryRequest(
    prefetch=PrefetchRequest(mboxes=[MboxRequest(name=PRODUCTS)], views=[ViewRequest(name="shop")])
)


class Products(NamedTuple):
    """Prefetched products, and the tokens with which the browser reports a display and a click."""

    content: Dict[str, Any]
    display_tokens: Sequence[str] = ()
    click_tokens: Sequence[str] = ()
    state: str = ""


class PageContent(NamedTuple):
    """The decisions that a page shows. The defaults are the content without Target."""

    greeting: str = "Good to have you here."
    shipping: str = "Delivery in two to four days."
    products: Optional[Products] = None
    decided_by: str = "none"


class Shop:
    """The client of the shop, and the calls that its pages make."""

    def __init__(self, options: ClientOptions) -> None:
        self.client = TargetClient.create(options)
        # The results of callbacks for the waiting requests, by the id of the call.
        self.results: Dict[str, Any] = {}

    def blocking(self, visit: Visit) -> PageContent:
        """Make a blocking call in the thread of the request."""
        envelope = self.client.get_offers(visit.options(greeting_request))
        return content_of(visit.remember(envelope))

    def with_callbacks(self, visit: Visit) -> PageContent:
        """Make two calls at the same time, in worker threads."""
        offers_id, flags_id = uuid.uuid4().hex, uuid.uuid4().hex
        offers = self.client.get_offers(
            visit.options(
                greeting_request,
                callback=functools.partial(self.store_answer, offers_id),
                err_callback=functools.partial(self.store_nothing, offers_id),
            )
        )
        flags = self.client.get_attributes(
            [SHIPPING],
            visit.options(
                callback=functools.partial(self.store_answer, flags_id),
                err_callback=functools.partial(self.store_nothing, flags_id),
            ),
        )
        offers.wait()
        flags.wait()
        return content_of(self.results.pop(offers_id), self.results.pop(flags_id))

    async def awaited(self, visit: Visit) -> PageContent:
        """Await the two calls of ``with_callbacks`` together."""
        offers, flags = await asyncio.gather(
            self.client.get_offers_async(visit.options(greeting_request)),
            self.client.get_attributes_async([SHIPPING], visit.options()),
        )
        return content_of(visit.remember(offers), flags)

    def prefetched(self, visit: Visit) -> PageContent:
        """Prefetch products, and a view for at.js. The browser reports when it displays them."""
        envelope = self.client.get_offers(visit.options(products_request))
        return content_of(visit.remember(envelope))

    def store_answer(self, call: str, answer: Any) -> None:
        """Store an answer for the waiting request."""
        self.results[call] = answer

    def store_nothing(self, call: str, error: BaseException) -> None:
        """Store None for a call that was rejected, for example because the queue of calls is full."""
        self.results[call] = None

    def notify(self, visit: Visit, event: Dict[str, Any]) -> None:
        """Report a display or a click of the browser, in the background. The SDK adds an id and the time."""
        mbox = NotificationMbox(name=PRODUCTS, state=event["state"] or None)
        notification = Notification(type=event["type"], mbox=mbox, tokens=event["tokens"])
        notification_request = DeliveryRequest(notifications=[notification])
        self.client.send_notifications(visit.options(notification_request, callback=lambda envelope: None))


def content_of(envelope: Any, flags: Any = None) -> PageContent:
    """Return the content of a page, with defaults for everything that Target did not decide."""
    found = PageContent()
    if envelope is not None and envelope.error is None:
        products = envelope.offer(PRODUCTS)
        found = found._replace(
            greeting=envelope.offer(GREETING).html or found.greeting,
            products=products_of(products) if products else None,
            decided_by=envelope.meta["decisioning_method"],
        )
    if flags is not None:
        found = found._replace(shipping=flags.as_object(SHIPPING).get("text", found.shipping))
    return found


def products_of(offer: Offer) -> Products:
    """Return the products of a prefetched offer."""
    products = Products(offer.json)
    with contextlib.suppress(OptionError):  # there is nothing to report
        shown = offer.display()
        products = products._replace(display_tokens=shown.tokens or [], state=(shown.mbox and shown.mbox.state) or "")
    with contextlib.suppress(OptionError):  # no activity measures clicks on it
        products = products._replace(click_tokens=offer.click().tokens or [])
    return products


def create_application(edge: Optional[LocalEdge] = None) -> Flask:
    """Create the application. With ``edge``, it shows the notifications that this edge has recorded."""
    application = Flask(__name__, root_path=HERE)
    shop = application.extensions["shop"] = Shop(client_options(edge))
    # Gives every request a visit: cookies, page and browser.
    Target(application, client=shop.client)

    @application.get("/")
    def blocking() -> str:
        return page("blocking", shop.blocking(current_visit), shop.blocking)

    @application.get("/callbacks")
    def with_callbacks() -> str:
        return page("callbacks", shop.with_callbacks(current_visit), shop.with_callbacks)

    @application.get("/await")
    async def awaited() -> str:
        return page("await", await shop.awaited(current_visit), shop.awaited)

    @application.get("/prefetch")
    def prefetched() -> str:
        return page("prefetch", shop.prefetched(current_visit), shop.prefetched)

    @application.post("/notify")
    def notify() -> Any:
        body = request.get_json()
        if not is_event(body):  # a browser can send anything
            abort(400)
        shop.notify(current_visit, body)
        return "", 204

    @application.get("/recorded")
    def recorded() -> Any:
        return jsonify([] if edge is None else edge.notifications[-8:])

    return application


def is_event(body: Any) -> bool:
    """Return whether ``body`` is a display or a click in the format of ``notify.js``."""
    if not isinstance(body, dict) or body.get("type") not in (MetricType.DISPLAY, MetricType.CLICK):
        return False
    tokens = body.get("tokens")
    are_tokens = isinstance(tokens, list) and tokens and all(isinstance(token, str) for token in tokens)
    return bool(are_tokens) and isinstance(body.get("state"), str)


def page(name: str, found: PageContent, view: Callable[..., Any]) -> str:
    """Render the page of the shop, and below it the code that made the calls."""
    return render_template("shop.html", name=name, content=found, code=textwrap.dedent(inspect.getsource(view)))


def client_options(edge: Optional[LocalEdge]) -> ClientOptions:
    """Return the client options, from the environment."""
    options: ClientOptions = {
        "client": os.environ.get("TARGET_CLIENT", "acmeclient"),
        "organization_id": os.environ.get("TARGET_ORGANIZATION", "1234567890@AdobeOrg"),
        "decisioning_method": os.environ.get("TARGET_DECISIONING_METHOD", "server-side"),
        "timeout": 1000,
        "on_error": "default",  # show the page even if Target fails
    }
    domain = edge.domain if edge is not None else os.environ.get("TARGET_SERVER_DOMAIN", "adobe")
    if domain != "adobe":
        options["server_domain"] = domain
        options["cdn_base_path"] = f"http://{domain}"
        options["secure"] = False
    return options


def main() -> None:
    """Serve until Ctrl+C. Start an edge unless the environment names one."""
    if importlib.util.find_spec("asgiref") is None:  # the page /await needs it
        sys.exit('error: asgiref is not installed; run: pip install "flask[async]"')
    port = int(os.environ.get("PORT", "5000"))
    if os.environ.get("TARGET_SERVER_DOMAIN"):
        create_application().run(port=port)
        return
    with LocalEdge(os.path.join(HERE, "activities.json")) as edge:
        create_application(edge).run(port=port)


if __name__ == "__main__":
    main()
