# ruff: noqa: T201 - a sample prints its results
"""Get offers and attributes from the edge, in the style of the examples in Adobe's documentation.

Run the sample::

    python samples/server_side.py

It starts a Target edge on this machine. To use an edge that runs already, add its address::

    python samples/server_side.py 127.0.0.1:8642

To use your account, enter your client code and organization below, and remove the options for a local edge.
"""

import sys

from target_python_sdk import AttributesOptions, ClientOptions, TargetClient
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.types import ChannelType, Context, DeliveryRequest, ExecuteRequest, MboxRequest


def client_ready_callback() -> None:
    """Get an offer and attributes as soon as the client is ready."""
    context = Context(channel=ChannelType.WEB)
    mboxes = [MboxRequest(name="a1-serverside-ab", index=1)]
    execute = ExecuteRequest(mboxes=mboxes)
    delivery_request = DeliveryRequest(context=context, execute=execute)

    response = target_client.get_offers({"request": delivery_request})
    for mbox in response["response"].execute.mboxes:
        for option in mbox.options or []:
            print(f"{mbox.name}: {option.content}")

    # Set these cookies on the response. The browser sends them with its next request.
    for key in ("target_cookie", "target_location_hint_cookie"):
        cookie = response[key]
        print("Set-Cookie: {name}={value}; Max-Age={maxAge}; Path=/".format(**cookie))

    # With the cookie of the first call, the second call is for the same visitor.
    options: AttributesOptions = {"request": delivery_request, "target_cookie": response["target_cookie"]["value"]}
    attributes = target_client.get_attributes(["demo-engineering-flags"], options)
    flags = attributes.as_object("demo-engineering-flags")
    print(f"asset: http://{flags['cdnHostname']}/path/to/asset")
    print(f"search provider: {attributes.get_value('demo-engineering-flags', 'searchProviderId')}")


client_options: ClientOptions = {
    "client": "acmeclient",
    "organization_id": "1234567890@AdobeOrg",
    "events": {"client_ready": client_ready_callback},
    # For a local edge:
    "server_domain": sys.argv[1] if len(sys.argv) > 1 else LocalEdge().start().domain,
    "secure": False,
}

target_client = TargetClient.create(client_options)
