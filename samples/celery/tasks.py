"""Celery tasks that decide which recommendations a mail contains.

There is one client in each worker process, and one task that sends notifications. To run a worker, start a Redis and an
edge (``python -m target_python_sdk edge --port 8642``), and in another terminal::

    cd samples/celery
    TARGET_EDGE=127.0.0.1:8642 celery -A tasks worker --loglevel INFO

``demo.py`` starts all of this.
"""

import os
import uuid
from typing import Any, List, Optional

from celery import Celery
from celery.utils.log import get_task_logger

from target_python_sdk import Offer, TargetClient
from target_python_sdk.integrations.celery import install
from target_python_sdk.types import (
    DeliveryRequest,
    MboxRequest,
    Notification,
    NotificationMbox,
    PrefetchRequest,
    VisitorId,
)

MBOX = "product-recommendations"

log = get_task_logger(__name__)
app = Celery("shop", broker=os.environ.get("BROKER_URL", "redis://127.0.0.1:6379/0"))
if app.conf.broker_url.startswith("redis"):
    # Without timeouts, sending a task could hang forever.
    app.conf.broker_transport_options = {"socket_connect_timeout": 2, "socket_timeout": 5}
if "BROKER_FOLDER" in os.environ:  # for a filesystem:// broker
    folders = ("data_folder_in", "data_folder_out", "control_folder")
    app.conf.broker_transport_options = {
        "polling_interval": 0.1,
        **dict.fromkeys(folders, os.environ["BROKER_FOLDER"]),
    }


def create_client() -> TargetClient:
    """Create the client of one process. Notifications that it cannot deliver are sent through the broker."""
    options: Any = {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "timeout": 1000,
        "events": {"send_notification_error": target.resend},
    }
    if "TARGET_EDGE" in os.environ:
        options.update(server_domain=os.environ["TARGET_EDGE"], secure=False)
    return TargetClient.create(options)


target = install(create_client, app)


@app.task(ignore_result=True)
def send_mail(visitor: str) -> None:
    """Decide the content of a mail. The task ends before the decision; a callback sends the mail."""
    request = DeliveryRequest(
        id=VisitorId(tnt_id=visitor), prefetch=PrefetchRequest(mboxes=[MboxRequest(name=MBOX, index=1)])
    )
    target.client.get_offers(
        {
            "request": request,
            "callback": lambda envelope: send(visitor, envelope.offer(MBOX)),
            "err_callback": lambda error: log.error("%s gets the usual mail: %s", visitor, type(error).__name__),
        }
    )


def send(visitor: str, offer: Offer) -> None:
    """Send the mail, and report through the broker which offer it displays."""
    log.info("%s gets %s from %d", visitor, offer.experience or "the usual mail", os.getpid())
    if offer:
        target.send_notifications({"request": display_request(visitor, offer.display().tokens)})


def display_request(visitor: str, tokens: Optional[List[str]] = None) -> DeliveryRequest:
    """Return a request with one display notification. The edge's answer contains the notification's id."""
    shown = Notification(id=str(uuid.uuid4()), type="display", mbox=NotificationMbox(name=MBOX), tokens=tokens)
    return DeliveryRequest(id=VisitorId(tnt_id=visitor), notifications=[shown])
