"""What the edge is told of a decision that was made without it."""

from typing import List

from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.types import Notification
from target_tools.schema.model import copy_with, deep_copy


def owed_request(prepared: PreparedRequest, displays: List[Notification]) -> PreparedRequest:
    """A request that tells of ``displays``, and of what the caller had to tell.

    It is the call's own in everything but what it asks for: visitor, session, property,
    environment and trace are kept, so that the edge counts it for the same visit.  It is
    sent later, so nothing in it is the caller's: the next visitor may stand there by then.
    Raises ``OptionError`` for a part that contains itself.
    """
    request = prepared.request
    # What the caller may go on writing to is copied; the displays were made here.
    owed = deep_copy(copy_with(request, request_id=prepared.ids.next(), execute=None, prefetch=None))
    owed.notifications = [*(owed.notifications or ()), *displays]
    return prepared._replace(request=owed)
