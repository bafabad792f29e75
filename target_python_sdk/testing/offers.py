"""Activities that show an offer to every visitor, and the artifacts and answers that contain such offers."""

from typing import Any, Dict, Mapping, Optional, Sequence

from target_python_sdk.local_edge.activities import parse_activities, parse_offer
from target_python_sdk.local_edge.artifact_builder import build_artifact
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.delivery import build_response
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_python_sdk.types import (
    ChannelType,
    Context,
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    PrefetchRequest,
    RequestDetails,
)
from target_tools.error_text import invalid
from target_tools.errors import OptionError

#: The client code and the organization that the documentation uses.
CLIENT, ORGANIZATION_ID = "acmeclient", "1234567890@AdobeOrg"
#: The id of the first activity that shows an offer. Activities of Target have lower ids.
FIRST_ID = 900_000_001

#: The content of an offer by its type: ``html``, ``json``, ``redirect``, ``dynamic`` or ``actions``.
OfferContent = Mapping[str, Any]


def activity_showing(  # noqa: PLR0917 - the parts of an activity
    id_: int,
    location: str,
    content: OfferContent,
    is_view: bool = False,
    name: Optional[str] = None,
    experience: str = "A",
) -> Dict[str, Any]:
    """Return an activity, as in a file of activities, that shows ``content`` to every visitor and measures clicks.

    Raises ``OptionError``.
    """
    if not isinstance(location, str) or not location:
        raise OptionError(invalid("Invalid argument 'location'", expected="a non-empty string", got=location))
    parse_offer(content, f"the offer of {location!r}")
    return {
        "id": id_,
        "name": name or f"Shown at {location}",
        "views" if is_view else "locations": [location],
        "metrics": [{"type": "click"}],
        "experiences": [{"name": experience, "offer": dict(content)}],
    }


def activities_showing(offers: Mapping[str, OfferContent], client: str) -> Dict[str, Any]:
    """Return activities that show each of ``offers`` at its mbox to every visitor."""
    shown = [activity_showing(FIRST_ID + index, *item) for index, item in enumerate(offers.items())]
    return {"client": client, "activities": shown}


def make_artifact(offers: Mapping[str, OfferContent], client: str = CLIENT) -> Dict[str, Any]:
    """Return a rule artifact that shows these offers to every visitor, for the option ``artifact_payload``.

    :param offers: The offers by mbox, for example ``{"hero": {"html": "<h1>Hello</h1>"}}``. The types are ``html``,
        ``json``, ``redirect``, ``dynamic`` and ``actions``. ``target-global-mbox`` is the page load.
    :param client: The client code. It must be that of the client.
    """
    return build_artifact(parse_activities(activities_showing(offers, client)))


def make_answer(
    offers: Mapping[str, OfferContent], *, default_content: Sequence[str] = (), prefetch: bool = False
) -> Dict[str, Any]:
    """Return the JSON with which the edge answers a request for these offers, for test doubles of HTTP libraries.

    ``DeliveryResponse.from_dict`` turns it into a model. It has no ``requestId``, so it is an answer to any request.

    :param offers: The offers by mbox, as for :func:`make_artifact`.
    :param default_content: Mboxes that are answered without an offer.
    :param prefetch: Whether the offers are prefetched instead of executed.
    """
    names = [name for name in [*offers, *default_content] if name != DEFAULT_GLOBAL_MBOX]
    mboxes = [MboxRequest(name=name, index=index) for index, name in enumerate(names)]
    page_load = RequestDetails() if DEFAULT_GLOBAL_MBOX in offers else None
    request = DeliveryRequest(context=Context(channel=ChannelType.WEB))
    if prefetch:
        request.prefetch = PrefetchRequest(mboxes=mboxes or None, page_load=page_load)
    else:
        request.execute = ExecuteRequest(mboxes=mboxes or None, page_load=page_load)
    content = EdgeContent(activities_showing(offers, CLIENT), ORGANIZATION_ID)
    response = build_response(content, request, "session").response
    del response["requestId"]
    return response
