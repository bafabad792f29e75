# ruff: noqa: T201 - a sample shows what it got
"""Offers and attributes, decided by the edge: the documented examples, ready to run.

In one terminal, a Target edge on this machine::

    python -m target_python_sdk edge --port 8642

and in another ::

    python samples/server_side.py 127.0.0.1:8642

Without the address the calls go to Adobe's own edge, which knows nothing of ``acmeclient``:
put your client code and organization below.
"""

import sys

from target_python_sdk import AttributesOptions, ClientOptions, TargetClient
from target_python_sdk.types import ChannelType, Context, DeliveryRequest, ExecuteRequest, MboxRequest


def client_ready_callback() -> None:
    """Ask for an offer and for attributes, as soon as the client is there."""
    context = Context(channel=ChannelType.WEB)
    mboxes = [MboxRequest(name="a1-serverside-ab", index=1)]
    execute = ExecuteRequest(mboxes=mboxes)
    delivery_request = DeliveryRequest(context=context, execute=execute)

    response = target_client.get_offers({"request": delivery_request})
    for mbox in response["response"].execute.mboxes:
        for option in mbox.options or []:
            print("{}: {}".format(mbox.name, option.content))

    # The cookies belong into the answer to the browser; its next request brings them back.
    for key in ("target_cookie", "target_location_hint_cookie"):
        cookie = response[key]
        print("Set-Cookie: {name}={value}; Max-Age={maxAge}; Path=/".format(**cookie))

    # The second call is the same visitor's: it hands over the first one's cookie.
    options: AttributesOptions = {"request": delivery_request, "target_cookie": response["target_cookie"]["value"]}
    attributes = target_client.get_attributes(["demo-engineering-flags"], options)
    flags = attributes.as_object("demo-engineering-flags")
    print("asset: http://{}/path/to/asset".format(flags["cdnHostname"]))
    print("search provider: {}".format(attributes.get_value("demo-engineering-flags", "searchProviderId")))


client_options: ClientOptions = {
    "client": "acmeclient",
    "organization_id": "1234567890@AdobeOrg",
    "events": {"client_ready": client_ready_callback},
}
if len(sys.argv) > 1:
    client_options["server_domain"] = sys.argv[1]
    client_options["secure"] = False

target_client = TargetClient.create(client_options)
