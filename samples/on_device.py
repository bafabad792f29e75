# ruff: noqa: T201 - a sample shows what it got
"""One visitor, decided on-device and by a hybrid client, from the rule artifact of a Target edge.

In one terminal, a Target edge on this machine, which serves the artifact too::

    python -m target_python_sdk edge --port 8642

and in another ::

    python samples/on_device.py 127.0.0.1:8642

Without the address the artifact comes from Adobe's CDN, which has none for ``acmeclient``:
put your client code and organization below.
"""

import sys

from target_python_sdk import ClientOptions, TargetClient, TargetDeliveryResponse
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest, VisitorId

client_options: ClientOptions = {
    "client": "acmeclient",
    "organization_id": "1234567890@AdobeOrg",
    "events": {"artifact_download_failed": lambda event: print(event.error, file=sys.stderr)},
    "on_error": "default",  # without an artifact the page goes out with its default content
}
if len(sys.argv) > 1:
    client_options["server_domain"] = sys.argv[1]
    client_options["cdn_base_path"] = "http://" + sys.argv[1]
    client_options["secure"] = False

request = DeliveryRequest(
    id=VisitorId(tnt_id="visitor-3.35_0"),
    execute=ExecuteRequest(
        # The second one only the edge can decide.
        mboxes=[MboxRequest(name="a1-serverside-ab"), MboxRequest(name="loyalty-offer")],
    ),
)


def show(method: str, envelope: TargetDeliveryResponse) -> None:
    """Say who decided, and what the visitor gets."""
    meta = envelope["meta"]
    print("{}: decided by {}, remote: {}".format(method, meta["decisioning_method"], meta["remote_mboxes"]))
    for mbox in envelope["response"].execute.mboxes:
        for option in mbox.options or []:
            print("  {}: {}".format(mbox.name, option.content))


for method in ("on-device", "hybrid"):
    client_options["decisioning_method"] = method
    # Closing waits for the notifications that are sent in the background.
    with TargetClient.create(client_options) as target_client:
        show(method, target_client.get_offers({"request": request}))
