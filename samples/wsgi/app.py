"""A WSGI application of a shop that uses callbacks, like many existing applications.

It runs under any WSGI server; see serve.py. ``python samples/wsgi/app.py`` serves it with the server of Python's
standard library, and with a Target edge on this machine. Environment variables configure it:

    TARGET_CLIENT, TARGET_ORGANIZATION   your client code and organization
    TARGET_DECISIONING_METHOD            server-side, on-device or hybrid
    TARGET_SERVER_DOMAIN                 host:port of a Target edge on this machine, used with http
    TARGET_POLLING_INTERVAL              milliseconds between checks for a new rule artifact
    TARGET_TRUSTED_PROXIES               the number of your proxies in front of the server
    PORT                                 the port for ``python samples/wsgi/app.py``; default: 5000
"""

import contextlib
import html
import logging
import os
import uuid
from typing import Any, Callable, Dict, Iterable, Optional
from urllib.parse import parse_qs
from wsgiref.simple_server import make_server

from target_python_sdk import ClientOptions, Offer, TargetClient
from target_python_sdk.errors import OptionError
from target_python_sdk.integrations.wsgi import TargetMiddleware, Visit
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

GREETING = "a1-serverside-ab"
PRODUCTS = "product-recommendations"
FLAGS = "demo-engineering-flags"
#: The largest form that is read, in bytes.
MAX_FORM_SIZE = 8192

log = logging.getLogger("shop")
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s: %(message)s")

# The results of callbacks for the waiting requests, by the id of the call.
results: Dict[str, Any] = {}


def client_options() -> ClientOptions:
    """Return the options of the client, from the environment. Each process has one client."""
    options: ClientOptions = {
        "client": os.environ.get("TARGET_CLIENT", "acmeclient"),
        "organization_id": os.environ.get("TARGET_ORGANIZATION", "1234567890@AdobeOrg"),
        "decisioning_method": os.environ.get("TARGET_DECISIONING_METHOD", "server-side"),
        "polling_interval": float(os.environ.get("TARGET_POLLING_INTERVAL", "300000")),
        "timeout": 1000,
        "events": {"client_ready": client_ready},
    }
    edge = os.environ.get("TARGET_SERVER_DOMAIN")
    if edge:
        options["server_domain"] = edge
        options["cdn_base_path"] = f"http://{edge}"
        options["secure"] = False
    return options


def client_ready() -> None:
    """Log that the client is ready. With on-device decisioning, the client then has a rule artifact."""
    log.info("Target is ready")


def get_offers(visit: Visit) -> Optional[Any]:
    """Return an answer with an executed greeting and prefetched products, or None if the call failed."""
    request_id = uuid.uuid4().hex
    request = DeliveryRequest(
        execute=ExecuteRequest(mboxes=[MboxRequest(name=GREETING)]),
        prefetch=PrefetchRequest(mboxes=[MboxRequest(name=PRODUCTS)]),
    )

    def on_offers(envelope: Any) -> None:
        results[request_id] = envelope

    async_result = target_client.get_offers(visit.options(request, callback=on_offers, err_callback=on_error))
    async_result.wait()
    return results.pop(request_id, None)


def get_flags(visit: Visit) -> Dict[str, Any]:
    """Return the feature flags of this visitor, or an empty dict if the call failed."""
    request_id = uuid.uuid4().hex

    def on_flags(attributes: Any) -> None:
        results[request_id] = attributes.as_object(FLAGS)

    async_result = target_client.get_attributes([FLAGS], visit.options(callback=on_flags, err_callback=on_error))
    async_result.wait()
    flags: Dict[str, Any] = results.pop(request_id, {})
    return flags


def notify(visit: Visit, event: Dict[str, str]) -> None:
    """Report a display or a click of products, in the background. The SDK adds an id and the time."""
    mbox = NotificationMbox(name=PRODUCTS, state=event.get("state") or None)
    notification = Notification(type=event["type"], mbox=mbox, tokens=event["tokens"].split())
    request = DeliveryRequest(notifications=[notification])
    target_client.send_notifications(visit.options(request, callback=on_notified, err_callback=on_error))


def on_notified(envelope: Any) -> None:
    """Log that the edge has the notifications."""
    log.debug("notified: %s", envelope.response.notifications)


def on_error(error: BaseException) -> None:
    """Log that a call failed. The page shows its default content."""
    log.warning("Target: %s", error)


def shop(environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve the page at ``GET /``. Its script posts displays and clicks to ``/notify``."""
    visit: Visit = environ["adobe.target"]
    route = f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO') or '/'}"
    # Only the demo needs the process id.
    headers = [("Content-Type", "text/html; charset=utf-8"), ("X-Process", str(os.getpid()))]
    if route == "GET /":
        body = page(visit)
        start_response("200 OK", [*headers, ("Content-Length", str(len(body))), ("Cache-Control", "no-store")])
        return [body]
    if route == "POST /notify":
        event = form(environ)
        is_valid = event.get("type") in (MetricType.DISPLAY, MetricType.CLICK) and event.get("tokens")
        if is_valid:  # a browser can send anything
            notify(visit, event)
        start_response("204 No Content" if is_valid else "400 Bad Request", [*headers, ("Content-Length", "0")])
        return [b""]
    start_response("404 Not Found", [*headers, ("Content-Length", "0")])
    return [b""]


def form(environ: Dict[str, Any]) -> Dict[str, str]:
    """Return the fields of a posted form. If a name is repeated, the first one counts."""
    length = environ.get("CONTENT_LENGTH") or "0"
    size = int(length) if length.isdigit() else 0
    if size > MAX_FORM_SIZE:
        return {}
    text = environ["wsgi.input"].read(size).decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(text).items()}


def page(visit: Visit) -> bytes:
    """Render the page for this visitor."""
    envelope = get_offers(visit)
    flags = get_flags(visit)
    greeting = None if envelope is None else envelope.offer(GREETING).html  # HTML by the author of the activity
    products = None if envelope is None else envelope.offer(PRODUCTS)
    return PAGE.format(
        greeting=greeting or "<div>Welcome</div>",
        products=product_list(products) if products else "<p>There are no recommendations today.</p>",
        provider=html.escape(str(flags.get("searchProviderId", "default"))),
        method=html.escape(envelope["meta"]["decisioning_method"] if envelope else "none"),
        process=os.getpid(),
    ).encode()


def product_list(offer: Offer) -> str:
    """Render the recommended products of a JSON offer, with the tokens that the script reports."""
    rows = [
        f"<li><b>{html.escape(product['name'])}</b> <span>{product['price']:.2f}</span></li>"
        for product in offer.get("products", [])
    ]
    reports = {"display": "", "click": "", "state": ""}
    for kind, report in (("display", offer.display), ("click", offer.click)):
        with contextlib.suppress(OptionError):  # nothing to report, for example if no activity measures clicks
            notification = report()
            reports[kind] = " ".join(notification.tokens or [])
            reports["state"] = (notification.mbox and notification.mbox.state) or ""
    data = " ".join(f'data-{name}="{html.escape(value)}"' for name, value in reports.items())
    return PRODUCT_LIST.format(title=html.escape(offer.get("title", "")), rows="".join(rows), data=data) + SCRIPT


PRODUCT_LIST = """<div id="offer" {data}><h2>{title}</h2><ul>{rows}</ul><button>Show me more</button></div>"""

SCRIPT = """<script>
const offer = document.getElementById("offer");
function notify(type) {
  const tokens = offer.dataset[type];
  const body = new URLSearchParams({type, tokens, state: offer.dataset.state});
  if (tokens) fetch("notify", {method: "POST", body, keepalive: true});
}
offer.querySelector("button").addEventListener("click", () => notify("click"));
notify("display");
</script>"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Acme Outdoor</title><style>
body {{ margin: 0; font: 17px/1.5 system-ui, sans-serif; color: #222; background: #f4f2ee }}
header {{ padding: 14px 24px; background: #24493f; color: #fff; font-weight: 600 }}
main {{ max-width: 640px; margin: 24px auto; padding: 0 16px }}
section {{ background: #fff; border-radius: 8px; padding: 16px 24px; margin-bottom: 16px }}
.greeting {{ font-size: 26px }}
ul {{ list-style: none; padding: 0 }} li {{ display: flex; padding: 8px 0; border-bottom: 1px solid #e4e0d8 }}
li span {{ margin-left: auto; font-variant-numeric: tabular-nums }}
button {{ border: 0; border-radius: 6px; padding: 9px 18px; background: #c4572b; color: #fff; font: inherit }}
footer {{ color: #6b675f; font-size: 14px; text-align: center }}
</style></head><body><header>Acme Outdoor</header><main>
<section class="greeting" id="greeting">{greeting}</section>
<section id="products">{products}</section>
<footer>Decided by {method} &middot; search provider {provider} &middot; process {process}</footer>
</main></body></html>
"""

if __name__ == "__main__" and not os.environ.get("TARGET_SERVER_DOMAIN"):
    os.environ["TARGET_SERVER_DOMAIN"] = LocalEdge().start().domain  # it runs until the end of this process

# Created at import. The server can import the module before it forks, or in each worker.
target_client = TargetClient.create(client_options())
try:
    import uwsgi  # type: ignore[import-untyped,import-not-found,unused-ignore]
except ImportError:
    pass  # workers of other servers run Python's exit handlers
else:  # with --gevent or --skip-atexit-teardown, uWSGI runs only this exit handler
    uwsgi.atexit = target_client.close  # type: ignore[attr-defined,unused-ignore]
application = TargetMiddleware(shop, trusted_proxies=int(os.environ.get("TARGET_TRUSTED_PROXIES", "0")))

if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ.get("PORT", "5000")), application) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 - the address to open
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            target_client.close()
