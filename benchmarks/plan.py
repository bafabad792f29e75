"""How much is measured, and under which interpreters."""

from typing import NamedTuple, Optional, Union

#: The name of the release that is followed, as a peer.
OLD = "1.1.0"


class OldRelease(NamedTuple):
    """An interpreter with 1.1.0 installed."""

    interpreter: str


class NotRun(NamedTuple):
    """Why a peer takes no part."""

    reason: str


class Plan(NamedTuple):
    """What the command line asked for."""

    #: How often every peer takes its turn.
    rounds: int
    #: Fresh processes for each import.
    import_rounds: int
    #: How long one peer's turn is meant to take.
    seconds: float
    #: Calls in a turn, instead of as many as fit into ``seconds``.
    calls: Optional[int]
    old_release: Union[OldRelease, NotRun]
