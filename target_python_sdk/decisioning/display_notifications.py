"""What has been shown at once, and is to be reported as displayed."""

from typing import List, Set, Tuple

from target_python_sdk.decisioning.context import RequestContext
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.types import MetricType, Notification, NotificationMbox
from target_tools.uuids import UuidGenerator


class DisplayNotifications:
    """The displays of one call; what was shown twice in an mbox is reported once."""

    def __init__(self, request_context: RequestContext, ids: UuidGenerator) -> None:
        self._request_context = request_context
        self._ids = ids
        self._seen: Set[Tuple[str, str]] = set()
        self.notifications: List[Notification] = []

    def add(self, mbox: str, rule: CompiledRule) -> List[Notification]:
        """The notification that ``rule`` was shown in ``mbox``; none if nothing new of it was."""
        tokens = [option.event_token for option in rule.options if option.event_token]
        new = [token for token in dict.fromkeys(tokens) if (mbox, token) not in self._seen]
        if not new:
            return []
        self._seen.update((mbox, token) for token in new)
        made = Notification(
            id=self._ids.next(),
            impression_id=self._ids.next(),
            timestamp=self._request_context.now,
            type=MetricType.DISPLAY,
            mbox=NotificationMbox.from_dict({"name": mbox}),  # the artifact's name, however long
            tokens=new,
        )
        self.notifications.append(made)
        return [made]
