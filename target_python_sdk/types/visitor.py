"""The ids of a visitor."""

from typing import List, Optional

from target_tools.schema.fields import MaxLength, Required
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .enums import AuthenticatedState, Choice


class CustomerId(Model):
    """The visitor's id in one of your own systems, such as a CRM."""

    id: Annotated[Optional[str], Required, MaxLength(128)] = None
    """The id in that system."""

    integration_code: Annotated[Optional[str], Required, MaxLength(50)] = None
    """The alias of the system's data source."""

    authenticated_state: Annotated[Optional[Choice], AuthenticatedState, Required] = None
    """Whether the visitor has signed in."""


class VisitorId(Model):
    """The ids of a visitor. A visitor without ids is new and gets a ``tnt_id`` from the edge."""

    tnt_id: Annotated[Optional[str], MaxLength(128)] = None
    """Target's own id. A suffix such as ``.35_0`` names the edge cluster that stores the profile; send it unchanged."""

    third_party_id: Annotated[Optional[str], MaxLength(128)] = None
    """The id under which profiles are shared between the visitor's devices (``mbox3rdPartyId``)."""

    marketing_cloud_visitor_id: Annotated[Optional[str], MaxLength(128)] = None
    """The Experience Cloud id (ECID), common to all Adobe solutions."""

    customer_ids: Optional[List[CustomerId]] = None
    """Ids in your own systems. The API accepts up to 50, together with an ECID."""
