"""Tasks of a shop whose mails Target decides on: one client for each worker process, one task for notifications.

With a Redis and a Target edge on this machine::

    python -m target_python_sdk edge --port 8642
    cd samples/celery
    TARGET_EDGE=127.0.0.1:8642 celery -A tasks worker --loglevel INFO

``demo.py`` starts all of it.
"""

import os
import uuid
from typing import Any, Dict

from celery import Celery
from celery.utils.log import get_task_logger

from target_python_sdk import TargetClient
from target_python_sdk.integrations.celery import install
from target_python_sdk.types import (
    DeliveryRequest,
    MboxRequest,
    Notification,
    NotificationMbox,
    PrefetchRequest,
    VisitorId,
)
from target_tools.clock import epoch_milliseconds

MBOX = "product-recommendations"

log = get_task_logger(__name__)
app = Celery("shop", broker=os.environ.get("BROKER_URL", "redis://127.0.0.1:6379/0"))
if app.conf.broker_url.startswith("redis"):
    # A Redis that hangs would keep whoever sends a task for ever.
    app.conf.broker_transport_options = {"socket_connect_timeout": 2, "socket_timeout": 5}
if "BROKER_FOLDER" in os.environ:  # of a filesystem:// broker
    folders = ("data_folder_in", "data_folder_out", "control_folder")
    app.conf.broker_transport_options = {
        "polling_interval": 0.1,
        **dict.fromkeys(folders, os.environ["BROKER_FOLDER"]),
    }


def create_client() -> TargetClient:
    """The client of one process.  What it cannot deliver goes on the broker."""
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
def write_to(visitor: str) -> None:
    """Have it decided what the mail to a visitor shows.  It ends before that is known: a callback does the rest."""
    request = DeliveryRequest(
        id=VisitorId(tnt_id=visitor), prefetch=PrefetchRequest(mboxes=[MboxRequest(name=MBOX, index=1)])
    )
    target.client.get_offers(
        {
            "request": request,
            "callback": lambda envelope: post(visitor, envelope.response.prefetch.mboxes[0]),
            "err_callback": lambda error: log.error("%s gets the usual mail: %s", visitor, type(error).__name__),
        }
    )


def post(visitor: str, mbox: Any) -> None:
    """Post the mail, and say through the broker what it shows."""
    shown = [option.response_tokens["experience.name"] for option in mbox.options or []]
    log.info("%s gets %s from %d", visitor, ", ".join(shown) or "the usual mail", os.getpid())
    if shown:
        target.send_notifications({"request": displayed(visitor, [option.event_token for option in mbox.options])})


def displayed(visitor: str, tokens: Any = None) -> DeliveryRequest:
    """The request that tells of one display."""
    notification: Dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "type": "display",
        "timestamp": epoch_milliseconds(),
        "mbox": NotificationMbox(name=MBOX),
        "tokens": tokens,
    }
    return DeliveryRequest(id=VisitorId(tnt_id=visitor), notifications=[Notification(**notification)])
