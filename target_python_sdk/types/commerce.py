"""Products and orders."""

import datetime
from typing import List, Optional

from target_tools.schema.fields import Maximum, MaxLength, Minimum
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated


class Order(Model):
    """A purchase, for reports of revenue and for recommendations."""

    id: Annotated[Optional[str], MaxLength(250)] = None
    """The shop's number of the order. Repeated numbers count once."""

    total: Annotated[Optional[float], Minimum(0)] = None
    """The total, in the currency of the reports."""

    purchased_product_ids: Optional[List[str]] = None
    """The ids of the products: not blank, each up to 50 characters, and up to 250 in all when joined by commas."""

    time: Optional[datetime.datetime] = None
    """The time of the order; a time without a zone is UTC."""

    experience_local_id: Annotated[Optional[int], Maximum(2147483647), Minimum(0)] = None
    """The number of the experience to which the order is credited."""

    duplicate: Optional[bool] = None
    """Whether the order was reported before."""

    outlier: Optional[bool] = None
    """Whether the order is an outlier that would distort averages."""


class Product(Model):
    """The displayed product, for recommendations."""

    id: Annotated[Optional[str], MaxLength(128)] = None
    """The product's id in the catalog; not blank."""

    category_id: Annotated[Optional[str], MaxLength(128)] = None
    """The product's category; not blank."""
