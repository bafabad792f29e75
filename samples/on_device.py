# ruff: noqa: T201 - a sample prints its results
"""Decide for one visitor with an on-device and with a hybrid client.

Run the sample::

    python samples/on_device.py

It starts a Target edge on this machine. To use an edge that runs already, add its address::

    python samples/on_device.py 127.0.0.1:8642

To use your account, enter your client code and organization below, and remove the options for a local edge.
"""

import sys

from target_python_sdk import ClientOptions, TargetClient, TargetDeliveryResponse
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest, VisitorId

domain = sys.argv[1] if len(sys.argv) > 1 else LocalEdge().start().domain
client_options: ClientOptions = {
    "client": "acmeclient",
    "organization_id": "1234567890@AdobeOrg",
    "events": {"artifact_download_failed": lambda event: print(event.error, file=sys.stderr)},
    "on_error": "default",  # without an artifact, show the default content
    # For a local edge, which also serves the rule artifact:
    "server_domain": domain,
    "cdn_base_path": "http://" + domain,
    "secure": False,
}
request = DeliveryRequest(
    id=VisitorId(tnt_id="visitor-3.35_0"),
    execute=ExecuteRequest(
        # Only the edge can decide the second mbox.
        mboxes=[MboxRequest(name="a1-serverside-ab"), MboxRequest(name="loyalty-offer")],
    ),
)


def show(method: str, envelope: TargetDeliveryResponse) -> None:
    """Print the method that decided, and the offers."""
    meta = envelope["meta"]
    print(f"{method}: decided {meta['decisioning_method']}, remote: {meta['remote_mboxes']}")
    for mbox in envelope["response"].execute.mboxes:
        for option in mbox.options or []:
            print(f"  {mbox.name}: {option.content}")


for method in ("on-device", "hybrid"):
    client_options["decisioning_method"] = method
    # Closing the client waits for notifications that are sent in the background.
    with TargetClient.create(client_options) as target_client:
        show(method, target_client.get_offers({"request": request}))
