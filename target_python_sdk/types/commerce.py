"""What the visitor looks at and buys."""

import datetime
from typing import List, Optional

from target_tools.schema.constraints import Maximum, MaxLength, Minimum
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated


class Order(Model):
    """A purchase, for reports of revenue and for recommendations."""

    id: Annotated[Optional[str], MaxLength(250)] = None
    """The shop's own number for it; a number seen before counts once."""

    total: Annotated[Optional[float], Minimum(0)] = None
    """What it came to, in the currency the reports are in."""

    purchased_product_ids: Optional[List[str]] = None
    """The products bought: none blank, each up to 50 characters, with commas between them up to 250."""

    time: Optional[datetime.datetime] = None
    """When it was made; a time without a zone is UTC."""

    experience_local_id: Annotated[Optional[int], Maximum(2147483647), Minimum(0)] = None
    """The experience that the order is credited to, as activities number them."""

    duplicate: Optional[bool] = None
    """Whether the same order was reported before."""

    outlier: Optional[bool] = None
    """Whether it is so far from the usual size that it would spoil an average."""


class Product(Model):
    """The product the visitor looks at, for recommendations."""

    id: Annotated[Optional[str], MaxLength(128)] = None
    """The product's id in the catalogue; not blank."""

    category_id: Annotated[Optional[str], MaxLength(128)] = None
    """The category it belongs to; not blank."""
