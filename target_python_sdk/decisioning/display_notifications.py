"""Notifications about the offers that an execute request displays."""

from typing import List, Set, Tuple

from target_python_sdk.decisioning.context import RequestContext
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.types import MetricType, Notification, NotificationMbox
from target_tools.uuids import UuidGenerator


class DisplayNotifications:
    """Collects the display notifications of one call. An offer is reported once per mbox."""

    def __init__(self, request_context: RequestContext, ids: UuidGenerator) -> None:
        self._request_context = request_context
        self._ids = ids
        self._seen: Set[Tuple[str, str]] = set()
        self.notifications: List[Notification] = []

    def add(self, mbox: str, rule: CompiledRule) -> List[Notification]:
        """Report that the offer of ``rule`` was displayed in ``mbox``, and return the new notification, if any."""
        tokens = [option.event_token for option in rule.options if option.event_token]
        new = [token for token in dict.fromkeys(tokens) if (mbox, token) not in self._seen]
        if not new:
            return []
        self._seen.update((mbox, token) for token in new)
        notification = Notification(
            id=self._ids.next(),
            impression_id=self._ids.next(),
            timestamp=self._request_context.now,
            type=MetricType.DISPLAY,
            mbox=NotificationMbox.from_dict({"name": mbox}),  # from_dict: the name may be too long
            tokens=new,
        )
        self.notifications.append(notification)
        return [notification]
