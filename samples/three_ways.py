# ruff: noqa: T201 - a sample prints its results
"""Get the same offer with a blocking call, with a callback, and with await.

In one terminal, start a Target edge on this machine::

    python -m target_python_sdk edge --port 8642

In another terminal, run the sample::

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


def show(call: str, envelope: TargetDeliveryResponse) -> None:
    """Print the offers."""
    for mbox in envelope["response"].execute.mboxes:
        for option in mbox.options or []:
            print(f"{call}: {option.content}")


def on_error(error: BaseException) -> None:
    """Handle a call that failed. An application shows its default content."""
    print(f"no offer: {error}", file=sys.stderr)


with TargetClient.create(client_options) as target_client:
    call: CallOptions = {"request": request}
    show("blocking", target_client.get_offers(call))

    queued: CallbackOptions = {
        "request": request,
        "callback": lambda envelope: show("callback", envelope),
        "err_callback": on_error,
    }
    target_client.get_offers(queued).wait()  # until the callback has returned

    show("awaited", asyncio.run(target_client.get_offers_async(call)))
