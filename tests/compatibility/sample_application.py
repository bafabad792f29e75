"""A Flask application like those of 1.1.0's users. It makes calls in every way that 1.1.0's documentation shows.

It uses only names of 1.1.0, and must not use newer ones.
"""

import asyncio
import functools
import uuid
from typing import Any, Dict, List, Optional

from flask import Flask, jsonify, make_response, request

from delivery_api_client import (
    Address,
    AuthenticatedState,
    Browser,
    ChannelType,
    Context,
    CustomerId,
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    MetricType,
    Notification,
    NotificationMbox,
    NotificationView,
    PrefetchRequest,
    RequestDetails,
    Screen,
    ViewRequest,
    VisitorId,
    Window,
)
from target_python_sdk import TargetClient
from target_python_sdk.cookies import LOCATION_HINT_COOKIE, TARGET_COOKIE
from target_tools.utils import get_epoch_time_milliseconds

FLAGS = "demo-engineering-flags"
GREETING = "a1-serverside-ab"
PRODUCTS = "product-recommendations"
VIEW = "checkout"


class Shop:
    """State that the views of the application share."""

    def __init__(self, options: Dict[str, Any]) -> None:
        self.events: List[Any] = []
        self.results: Dict[str, Any] = {}
        self.client = TargetClient.create({**options, "events": {"client_ready": self.events.append}})

    def context(self) -> Context:
        """Return the page and the browser, from the headers of the request."""
        return Context(
            channel=ChannelType.WEB,
            address=Address(url=request.url, referring_url=request.referrer),
            browser=Browser(host=request.host),
            screen=Screen(width=1200, height=1400),
            window=Window(width=1200, height=1200),
            time_offset_in_minutes=0,
            user_agent=request.user_agent.string,
        )

    def options(self, delivery_request: DeliveryRequest, **more: Any) -> Dict[str, Any]:
        """Return the options of a call. 1.1.0's sample passed ``location_hint_cookie``, which the SDK never read."""
        return {
            "request": delivery_request,
            "target_cookie": request.cookies.get(TARGET_COOKIE),
            "location_hint_cookie": request.cookies.get(LOCATION_HINT_COOKIE),
            **more,
        }

    def on_answer(self, request_id: str, answer: Any) -> None:
        """Store the answer."""
        self.results[request_id] = answer

    def on_error(self, request_id: str, error: Any) -> None:
        """Store the error."""
        self.results[request_id] = {"error": str(error)}

    def wait_for(self, request_id: str, async_result: Any) -> Any:
        """Wait for a call, and return the answer or the error that its callback stored."""
        async_result.wait()
        return self.results.pop(request_id)

    def callbacks(self, request_id: str) -> Dict[str, Any]:
        """Return callbacks that store the outcome of a call. With callbacks, a call returns at once."""
        return {
            "callback": functools.partial(self.on_answer, request_id),
            "err_callback": functools.partial(self.on_error, request_id),
        }


def text_response(envelope: Any) -> Any:
    """Return a response with the decisions as text and with the cookies to set."""
    if "error" in envelope:
        return envelope["error"], 502
    response = make_response(envelope.get("response").to_str())
    for key in ("target_cookie", "target_location_hint_cookie"):
        cookie = envelope.get(key)
        if cookie:
            response.set_cookie(cookie.get("name"), value=cookie.get("value"), max_age=cookie.get("maxAge"))
    response.mimetype = "text/plain"
    return response


def notification(document: Dict[str, Any]) -> Notification:
    """Return the notification that the page reported as JSON."""
    mbox: Optional[Dict[str, Any]] = document.get("mbox")
    view: Optional[Dict[str, Any]] = document.get("view")
    return Notification(
        id=document["id"],
        type=document.get("type", MetricType.DISPLAY),
        timestamp=get_epoch_time_milliseconds(),
        mbox=mbox and NotificationMbox(name=mbox["name"], state=mbox.get("state")),
        view=view and NotificationView(name=view["name"], key=view.get("key"), state=view.get("state")),
        tokens=document.get("tokens"),
    )


def create_application(options: Dict[str, Any]) -> Flask:
    """Return the application. Its client is created with ``options``."""
    application = Flask(__name__)
    application.shop = shop = Shop(options)  # type: ignore[attr-defined]

    @application.route("/page-load")
    def page_load() -> Any:
        execute = ExecuteRequest(page_load=RequestDetails(address=Address(url=request.url), parameters={"a": "1"}))
        return text_response(
            shop.client.get_offers(shop.options(DeliveryRequest(context=shop.context(), execute=execute)))
        )

    @application.route("/mboxes")
    def mboxes() -> Any:
        execute = ExecuteRequest(mboxes=[MboxRequest(name=GREETING, index=1), MboxRequest(name=FLAGS, index=2)])
        visitor = VisitorId(
            customer_ids=[
                CustomerId(id="67312378756723456", integration_code="A",
                           authenticated_state=AuthenticatedState.AUTHENTICATED)
            ],
        )  # fmt: skip
        delivery_request = DeliveryRequest(id=visitor, context=shop.context(), execute=execute)
        return text_response(shop.client.get_offers(shop.options(delivery_request)))

    @application.route("/mboxes-by-callback")
    def mboxes_by_callback() -> Any:
        request_id = str(uuid.uuid4())
        execute = ExecuteRequest(mboxes=[MboxRequest(name=GREETING, index=1)])
        delivery_request = DeliveryRequest(request_id=request_id, context=shop.context(), execute=execute)
        options = shop.options(delivery_request, **shop.callbacks(request_id))
        return text_response(shop.wait_for(request_id, shop.client.get_offers(options)))

    @application.route("/mboxes-in-a-thread")
    async def mboxes_in_a_thread() -> Any:
        execute = ExecuteRequest(mboxes=[MboxRequest(name=GREETING, index=1)])
        options = shop.options(DeliveryRequest(context=shop.context(), execute=execute))
        return text_response(await asyncio.to_thread(shop.client.get_offers, options))

    @application.route("/prefetch")
    def prefetch() -> Any:
        prefetched = PrefetchRequest(mboxes=[MboxRequest(name=PRODUCTS, index=1)])
        delivery_request = DeliveryRequest(context=shop.context(), prefetch=prefetched)
        return text_response(shop.client.get_offers(shop.options(delivery_request)))

    @application.route("/views")
    def views() -> Any:
        request_id = str(uuid.uuid4())
        delivery_request = DeliveryRequest(context=shop.context(), prefetch=PrefetchRequest(views=[ViewRequest()]))
        options = shop.options(delivery_request, **shop.callbacks(request_id))
        return text_response(shop.wait_for(request_id, shop.client.get_offers(options)))

    @application.route("/flags")
    def flags() -> Any:
        request_id = str(uuid.uuid4())
        execute = ExecuteRequest(mboxes=[MboxRequest(name=FLAGS, index=1)])
        delivery_request = DeliveryRequest(context=shop.context(), execute=execute)
        options = shop.options(delivery_request, **shop.callbacks(request_id))
        attributes = shop.wait_for(request_id, shop.client.get_attributes([FLAGS], options))
        return jsonify(
            all=attributes.as_object(FLAGS),
            provider=attributes.get_value(FLAGS, "searchProviderId"),
            status=attributes.get_response().get("response").status,
        )

    @application.route("/notifications", methods=["POST"])
    def notifications() -> Any:
        notifications = [notification(each) for each in request.get_json()["notifications"]]
        delivery_request = DeliveryRequest(context=shop.context(), notifications=notifications)
        return text_response(shop.client.send_notifications(shop.options(delivery_request)))

    @application.route("/notifications-by-callback", methods=["POST"])
    def notifications_by_callback() -> Any:
        request_id = str(uuid.uuid4())
        notifications = [notification(each) for each in request.get_json()["notifications"]]
        delivery_request = DeliveryRequest(context=shop.context(), notifications=notifications)
        options = shop.options(delivery_request, **shop.callbacks(request_id))
        return text_response(shop.wait_for(request_id, shop.client.send_notifications(options)))

    @application.route("/mistake")
    def mistake() -> Any:
        try:
            shop.client.get_offers({"request": DeliveryRequest(context=shop.context(), execute=ExecuteRequest())})
        except Exception as error:  # noqa: BLE001 - as the documentation catches it
            return str(error), 400
        return "nothing was raised"

    return application
