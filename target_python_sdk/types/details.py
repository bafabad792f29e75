"""The details of a requested page load, mbox or view."""

from typing import Dict, Optional

from target_tools.schema.fields import MaxLength
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .commerce import Order, Product
from .context import Address


class RequestDetails(Model, is_read_as_dict=True):
    """The details of one location. An instance of this class itself requests the page load."""

    address: Optional[Address] = None
    """The page, if it differs from the context's."""

    parameters: Optional[Dict[str, str]] = None
    """Up to 50 values for audiences and profile scripts; names up to 128 characters, values up to 5000."""

    profile_parameters: Optional[Dict[str, str]] = None
    """Up to 50 values to store in the visitor's profile, named without ``profile.``."""

    order: Optional[Order] = None
    """A purchase."""

    product: Optional[Product] = None
    """The displayed product."""


class MboxRequestAllOf(Model):
    """The additional fields of an mbox."""

    index: Optional[int] = None
    """Distinguishes mboxes with the same name. Unique in the list; the response has the same index."""

    name: Optional[str] = None
    """The mbox's name."""


class MboxRequest(MboxRequestAllOf, RequestDetails):
    """Requests the content of one mbox."""


class ViewRequestAllOf(Model):
    """The additional fields of a view."""

    name: Annotated[Optional[str], MaxLength(128)] = None
    """The view's name; without it, all views are requested."""

    key: Annotated[Optional[str], MaxLength(512)] = None
    """A second name that distinguishes views with the same name, such as a fingerprint of the state."""


class ViewRequest(ViewRequestAllOf, RequestDetails):
    """Requests the content of one view of a single-page app."""
