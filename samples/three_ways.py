# ruff: noqa: T201 - a sample shows what it got
"""The same offer, asked for in three ways: the thread waits, a worker calls back, a coroutine awaits.

In one terminal, a Target edge on this machine::

    python -m target_python_sdk edge --port 8642

and in another ::

    python samples/three_ways.py 127.0.0.1:8642
"""

import asyncio
import sys

from target_python_sdk import CallbackOptions, CallOptions, ClientOptions, TargetClient, TargetDeliveryResponse
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest, VisitorId

client_options: ClientOptions = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"}
if len(sys.argv) > 1:
    client_options["server_domain"] = sys.argv[1]
    client_options["secure"] = False

request = DeliveryRequest(
    id=VisitorId(tnt_id="visitor-2.35_0"),
    execute=ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab")]),
)


def show(way: str, envelope: TargetDeliveryResponse) -> None:
    """Say what the visitor gets."""
    for mbox in envelope["response"].execute.mboxes:
        for option in mbox.options or []:
            print("{}: {}".format(way, option.content))


def on_error(error: BaseException) -> None:
    """A call that got no answer: the page goes out with its default content."""
    print("no offer: {}".format(error), file=sys.stderr)


with TargetClient.create(client_options) as target_client:
    call: CallOptions = {"request": request}
    show("waited", target_client.get_offers(call))

    queued: CallbackOptions = {
        "request": request,
        "callback": lambda envelope: show("called back", envelope),
        "err_callback": on_error,
    }
    target_client.get_offers(queued).wait()  # until the callback has run

    show("awaited", asyncio.run(target_client.get_offers_async(call)))
