"""Who the visitor is."""

from typing import List, Optional

from target_tools.schema.constraints import MaxLength, Required
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .enums import AuthenticatedState, Choice


class CustomerId(Model):
    """The visitor's id in a system of the customer's own."""

    id: Annotated[Optional[str], Required, MaxLength(128)] = None
    """What that system calls the visitor."""

    integration_code: Annotated[Optional[str], Required, MaxLength(50)] = None
    """Which system it is: the alias its data source was given when it was set up."""

    authenticated_state: Annotated[Optional[Choice], AuthenticatedState, Required] = None
    """Whether the visitor has proved to be that customer."""


class VisitorId(Model):
    """The names a visitor goes by.  A visitor without any is new, and the edge gives out a ``tnt_id``."""

    tnt_id: Annotated[Optional[str], MaxLength(128)] = None
    """Target's own id.  A suffix such as ``.35_0`` names the edge cluster with the profile; send it back whole."""

    third_party_id: Annotated[Optional[str], MaxLength(128)] = None
    """The id under which profiles are shared between the visitor's devices (``mbox3rdPartyId``)."""

    marketing_cloud_visitor_id: Annotated[Optional[str], MaxLength(128)] = None
    """The Experience Cloud id (ECID), common to all Adobe solutions."""

    customer_ids: Optional[List[CustomerId]] = None
    """Ids from the customer's own systems; the API takes up to 50, to go with an ECID."""
