"""What is asked about one place on the page: the page load, an mbox or a view."""

from typing import Dict, Optional

from target_tools.schema.constraints import MaxLength
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .commerce import Order, Product
from .context import Address


class RequestDetails(Model):
    """What is known where the content will be shown.  By itself it asks for the page load."""

    address: Optional[Address] = None
    """The page, where it is not the one in the context."""

    parameters: Optional[Dict[str, str]] = None
    """Up to 50 values for audiences and profile scripts; names up to 128 characters, values up to 5000."""

    profile_parameters: Optional[Dict[str, str]] = None
    """Up to 50 values that stay in the visitor's profile, named without ``profile.``."""

    order: Optional[Order] = None
    """A purchase that was made here."""

    product: Optional[Product] = None
    """The product shown here."""


class MboxRequestAllOf(Model):
    """What an mbox has that a page load has not."""

    index: Optional[int] = None
    """Tells it from its namesakes: unique in the list, and the response comes back with it."""

    name: Optional[str] = None
    """The mbox's name."""


class MboxRequest(MboxRequestAllOf, RequestDetails):
    """Asks for the content of one mbox."""


class ViewRequestAllOf(Model):
    """What a view has that a page load has not."""

    name: Annotated[Optional[str], MaxLength(128)] = None
    """The view's name; without one, all views are meant."""

    key: Annotated[Optional[str], MaxLength(512)] = None
    """A finer name where several views share one, such as a fingerprint of its state."""


class ViewRequest(ViewRequestAllOf, RequestDetails):
    """Asks for the content of one view of a single-page app."""
