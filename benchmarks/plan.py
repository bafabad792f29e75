"""How much is measured, and under which interpreters."""

from typing import NamedTuple, Optional, Union

#: The name of the release that is followed, as a peer.
OLD = "1.1.0"
#: The name of the SDK for Node.js, as a peer.
NODE = "Node.js"
#: The name of optimizely-sdk, as a peer.
OPTIMIZELY = "optimizely"


class OldRelease(NamedTuple):
    """An interpreter with 1.1.0 installed."""

    interpreter: str


class NodeRelease(NamedTuple):
    """A ``node``, and the folder whose ``node_modules`` has the SDK for it."""

    node: str
    folder: str


class Optimizely(NamedTuple):
    """An interpreter with optimizely-sdk installed."""

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
    #: Activities in the artifact that is called large.
    activities: int
    old_release: Union[OldRelease, NotRun]
    node: Union[NodeRelease, NotRun]
    optimizely: Union[Optimizely, NotRun]
