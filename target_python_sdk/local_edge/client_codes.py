"""Warns about clients whose code differs from that of the activities."""

from logging import getLogger
from typing import Optional, Set

from target_python_sdk.local_edge.feed import EventFeed

logger = getLogger("adobe.target.local_edge")

#: The maximum number of codes that cause a warning.
MAX_CODES = 100


class ClientCodes:
    """Warns once about each client code that differs from the code of the content."""

    def __init__(self, feed: EventFeed) -> None:
        self._feed = feed
        self._reported: Set[str] = set()

    def check(self, code: Optional[str], expected: str) -> None:
        """Warn if a client's code is not the ``expected`` one. A missing or empty code is ignored."""
        if not code or code == expected or code in self._reported or len(self._reported) >= MAX_CODES:
            return
        self._reported.add(code)
        problem = (
            f"a client has the code {code[:60]!r}, but the edge buckets visitors for {expected!r}, so this client and"
            " the edge can decide differently; set the code in the activities file, with client=... or with --client"
        )
        logger.warning("%s", problem)
        self._feed.publish("warning", {"problem": problem})
