"""A small shop with Flask: the same visitor served by calls that wait, call back, are awaited, and prefetch.

In a checkout, with Flask beside the SDK::

    pip install "flask[async]"
    python samples/flask/app.py

and open the address that it prints.  A Target edge is started on this machine, with the activities in
``activities.json``, unless the environment names another one:

    TARGET_CLIENT, TARGET_ORGANIZATION   your client code and organization
    TARGET_DECISIONING_METHOD            server-side, on-device or hybrid
    TARGET_SERVER_DOMAIN                 host:port of a Target edge on this machine, asked by http;
                                         "adobe" asks Adobe's own edge
    PORT                                 of the shop; 5000 unless set

``flask --app "samples/flask/app:create_application()" run`` serves it as well, without starting an edge.
"""

import asyncio
import functools
import inspect
import os
import textwrap
import time
import uuid
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple

from flask import Flask, abort, jsonify, render_template, request

from target_python_sdk import ClientOptions, TargetClient
from target_python_sdk.integrations.wsgi import ENVIRON_KEY, TargetMiddleware, WsgiVisit
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.types import (
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    MetricType,
    Notification,
    NotificationMbox,
    PrefetchRequest,
)

HERE = os.path.dirname(os.path.abspath(__file__))
GREETING = "greeting"
SHIPPING = "shipping"
PRODUCTS = "products"

greeting_request = DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name=GREETING)]))
products_request = DeliveryRequest(prefetch=PrefetchRequest(mboxes=[MboxRequest(name=PRODUCTS)]))


class Shown(NamedTuple):
    """What a page shows of the decisions; its defaults are the shop without Target."""

    greeting: str = "Good to have you here."
    shipping: str = "Delivery in two to four days."
    products: Optional[Dict[str, Any]] = None
    decided_by: str = "nobody"


class Shop:
    """The shop's one client, and what each page asks of it."""

    def __init__(self, options: ClientOptions) -> None:
        self.client = TargetClient.create(options)
        # What callbacks leave for the request that waits for it, by the id of the call.
        self.results: Dict[str, Any] = {}

    def waiting(self, visit: WsgiVisit) -> Shown:
        """The thread of this request waits for the answer."""
        envelope = self.client.get_offers(visit.options(greeting_request))
        return shown(visit.remember(envelope))

    def calling_back(self, visit: WsgiVisit) -> Shown:
        """Two calls are under way at once; workers bring the answers."""
        asked, wanted = uuid.uuid4().hex, uuid.uuid4().hex
        offers = self.client.get_offers(
            visit.options(
                greeting_request,
                callback=functools.partial(self.keep, asked),
                err_callback=functools.partial(self.do_without, asked),
            )
        )
        flags = self.client.get_attributes(
            [SHIPPING],
            visit.options(
                callback=functools.partial(self.keep, wanted),
                err_callback=functools.partial(self.do_without, wanted),
            ),
        )
        offers.wait()
        flags.wait()
        return shown(self.results.pop(asked), self.results.pop(wanted))

    async def awaiting(self, visit: WsgiVisit) -> Shown:
        """The same two calls, awaited together."""
        offers, flags = await asyncio.gather(
            self.client.get_offers_async(visit.options(greeting_request)),
            self.client.get_attributes_async([SHIPPING], visit.options()),
        )
        return shown(visit.remember(offers), flags)

    def prefetching(self, visit: WsgiVisit) -> Shown:
        """Products that nobody has seen yet: the browser tells when it shows them."""
        envelope = self.client.get_offers(visit.options(products_request))
        return shown(visit.remember(envelope))

    def keep(self, call: str, answer: Any) -> None:
        """Leave an answer for the page that asked."""
        self.results[call] = answer

    def do_without(self, call: str, error: BaseException) -> None:
        """Leave word that there is none: too many calls wait already."""
        self.results[call] = None

    def tell(self, visit: WsgiVisit, told: Dict[str, Any]) -> None:
        """Report what the browser has shown or where it was clicked.  Nobody waits for it."""
        notification = Notification(
            id=uuid.uuid4().hex,
            type=told["type"],
            timestamp=int(time.time() * 1000),
            mbox=NotificationMbox(name=PRODUCTS, state=told["state"]),
            tokens=[told["token"]],
        )
        told_request = DeliveryRequest(notifications=[notification])
        self.client.send_notifications(visit.options(told_request, callback=lambda envelope: None))


def shown(envelope: Any, flags: Any = None) -> Shown:
    """What there is to show; what Target did not decide is as in the shop without it."""
    found = Shown()
    if envelope is not None and envelope.error is None:
        found = found._replace(decided_by=envelope.meta["decisioning_method"])
        for _, option in options_of(envelope.response.execute):
            found = found._replace(greeting=option.content)
        for mbox, option in options_of(envelope.response.prefetch):
            found = found._replace(products={**option.content, "token": option.event_token, "state": mbox.state})
    if flags is not None:
        found = found._replace(shipping=flags.as_object(SHIPPING).get("text", found.shipping))
    return found


def options_of(part: Any) -> Iterator[Tuple[Any, Any]]:
    """Every option with content in a part of the answer, and the mbox that it is for."""
    for mbox in (part and part.mboxes) or []:
        for option in mbox.options or []:
            if option.content:
                yield mbox, option


def create_application(edge: Optional[LocalEdge] = None) -> Flask:
    """The application; with an edge of our own it shows what that has recorded."""
    application = Flask(__name__, root_path=HERE)
    shop = application.extensions["shop"] = Shop(client_options(edge))
    # Every request gets a visit: its cookies, its page, its browser.
    application.wsgi_app = TargetMiddleware(application.wsgi_app)  # type: ignore[method-assign]

    @application.get("/")
    def waiting() -> str:
        return page("waiting", shop.waiting(visit()), shop.waiting)

    @application.get("/callbacks")
    def calling_back() -> str:
        return page("calling back", shop.calling_back(visit()), shop.calling_back)

    @application.get("/await")
    async def awaiting() -> str:
        return page("awaiting", await shop.awaiting(visit()), shop.awaiting)

    @application.get("/prefetch")
    def prefetching() -> str:
        return page("prefetching", shop.prefetching(visit()), shop.prefetching)

    @application.post("/told")
    def told() -> Any:
        body = request.get_json()
        # A browser may send anything.
        texts = isinstance(body, dict) and all(isinstance(body.get(name), str) for name in ("type", "token", "state"))
        if not texts or body["type"] not in (MetricType.DISPLAY, MetricType.CLICK):
            abort(400)
        shop.tell(visit(), body)
        return "", 204

    @application.get("/recorded")
    def recorded() -> Any:
        return jsonify([] if edge is None else edge.notifications[-8:])

    return application


def visit() -> WsgiVisit:
    """This request, as far as Target is concerned."""
    found: WsgiVisit = request.environ[ENVIRON_KEY]
    return found


def page(way: str, found: Shown, view: Callable[..., Any]) -> str:
    """The shop's page, and below it the code that asked for what it shows."""
    return render_template("shop.html", way=way, shown=found, code=textwrap.dedent(inspect.getsource(view)))


def client_options(edge: Optional[LocalEdge]) -> ClientOptions:
    """The options of the client, from the environment."""
    options: ClientOptions = {
        "client": os.environ.get("TARGET_CLIENT", "acmeclient"),
        "organization_id": os.environ.get("TARGET_ORGANIZATION", "1234567890@AdobeOrg"),
        "decisioning_method": os.environ.get("TARGET_DECISIONING_METHOD", "server-side"),
        "timeout": 1000,
        "on_error": "default",  # a page must be shown whatever Target does
    }
    domain = edge.domain if edge is not None else os.environ.get("TARGET_SERVER_DOMAIN", "adobe")
    if domain != "adobe":
        options["server_domain"] = domain
        options["cdn_base_path"] = "http://" + domain
        options["secure"] = False
    return options


def main() -> None:
    """Serve, until Ctrl-C; with an edge of our own if none is named."""
    port = int(os.environ.get("PORT", "5000"))
    if os.environ.get("TARGET_SERVER_DOMAIN"):
        create_application().run(port=port)
        return
    with LocalEdge(os.path.join(HERE, "activities.json")) as edge:
        create_application(edge).run(port=port)


if __name__ == "__main__":
    main()
