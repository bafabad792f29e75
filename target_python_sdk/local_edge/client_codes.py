"""Warns about clients whose code is not the one that the local edge buckets visitors with."""

from logging import getLogger
from typing import Optional, Set

from target_python_sdk.local_edge.feed import EventFeed

logger = getLogger("adobe.target.local_edge")

#: The largest number of codes that are warned about.
MAX_CODES = 100


class ClientCodes:
    """The codes of clients that differ from that of the content. Each causes one warning."""

    def __init__(self, feed: EventFeed) -> None:
        self._feed = feed
        self._reported: Set[str] = set()

    def check(self, code: Optional[str], expected: str) -> None:
        """Warn if the code of a client is not the ``expected`` one. None and ``""`` are not checked."""
        if not code or code == expected or code in self._reported or len(self._reported) >= MAX_CODES:
            return
        self._reported.add(code)
        problem = (
            f"a client has the code {code[:60]!r}, but the edge buckets visitors for {expected!r}, so decisions of"
            " this client and of the edge can differ; name the client's code in the activities file, by client=..."
            " or by --client"
        )
        logger.warning("%s", problem)
        self._feed.publish("warning", {"problem": problem})
