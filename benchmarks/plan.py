"""The plan of a run: its size, and the interpreters of the peers."""

from typing import Dict, NamedTuple, Optional, Union

#: The release that this SDK replaces, as a peer.
OLD = "1.1.0"
#: The SDK for Node.js, as a peer.
NODE = "Node.js"
#: optimizely-sdk, as a peer.
OPTIMIZELY = "optimizely"
#: This checkout with its extra ``speedups``, as a peer.
SPEEDUPS = "speedups"
#: Other libraries for flags: no goal depends on them.
LAUNCHDARKLY, GROWTHBOOK, CONFIGCAT = "LaunchDarkly", "GrowthBook", "ConfigCat"
FIELD = (LAUNCHDARKLY, GROWTHBOOK, CONFIGCAT)
#: The program that counts instructions.
VALGRIND = "valgrind"


class OldRelease(NamedTuple):
    """An interpreter with 1.1.0 installed."""

    interpreter: str


class NodeRelease(NamedTuple):
    """The path of ``node``, and the folder whose ``node_modules`` contains the SDK for Node.js."""

    node: str
    folder: str


class Library(NamedTuple):
    """An interpreter in which a flag library, or the packages of the extra ``speedups``, are installed."""

    interpreter: str


class NotRun(NamedTuple):
    """The reason why a peer is missing."""

    reason: str


class Plan(NamedTuple):
    """The choices of the command line."""

    #: The number of rounds. Each peer has one turn in each.
    rounds: int
    #: The number of processes for each import.
    import_rounds: int
    #: The intended duration of a turn. Turns of on-device decisions are half as long.
    seconds: float
    #: The number of calls in a turn, instead of ``seconds``.
    calls: Optional[int]
    #: The number of activities in the large artifact.
    activities: int
    old_release: Union[OldRelease, NotRun]
    node: Union[NodeRelease, NotRun]
    optimizely: Union[Library, NotRun]
    #: The path of valgrind.
    valgrind: Union[str, NotRun]
    #: The interpreter with the packages of the extra ``speedups``.
    speedups: Union[Library, NotRun]
    #: The libraries in ``FIELD``, by name.
    field: Dict[str, Union[Library, NotRun]]
