# ruff: noqa: T201 - a sample prints its results
"""Get the same offer with a blocking call, with a callback, and with await.

Run the sample::

    python samples/three_ways.py

It starts a Target edge on this machine. To use an edge that runs already, add its address::

    python samples/three_ways.py 127.0.0.1:8642

To use your account, enter your client code and organization below, and remove the options for a local edge.
"""

import asyncio
import sys

from target_python_sdk import CallbackOptions, CallOptions, ClientOptions, TargetClient, TargetDeliveryResponse
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest, VisitorId

client_options: ClientOptions = {
    "client": "acmeclient",
    "organization_id": "1234567890@AdobeOrg",
    # For a local edge:
    "server_domain": sys.argv[1] if len(sys.argv) > 1 else LocalEdge().start().domain,
    "secure": False,
}

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
