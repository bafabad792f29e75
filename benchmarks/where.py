# ruff: noqa: T201 - a command line is the one place that prints
"""Where the time of an on-device call goes: ``python -m benchmarks.where prefetch`` (or execute, page, flag).

Python's own profiler counts every function of some thousand calls.  It makes small functions
look dearer than they are, so the shares say where to look, not what is to be gained there.
"""

import argparse
import cProfile
import pstats
import sys
from collections import Counter
from pathlib import PurePath
from typing import Any, Callable, Dict, List, Tuple

from benchmarks.artifacts import PARAMETERS, Visit, one_test, page_of_24_rules, visitors
from benchmarks.decision_worker import NoNetwork, asking, on_device_client
from benchmarks.flag_worker import SdkFlag

_VISITS: Dict[str, Tuple[Callable[[], Any], Visit]] = {
    "prefetch": (one_test, Visit("prefetch", "home-hero")),
    "execute": (one_test, Visit("execute", "home-hero")),
    "page": (page_of_24_rules, Visit("prefetch", None, PARAMETERS)),
}


def main(arguments: List[str]) -> None:
    """Print the share of each module in the time of the calls' own thread."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=[*_VISITS, "flag"])
    parser.add_argument("--calls", type=int, default=3000)
    chosen = parser.parse_args(arguments)
    call, settle = _caller(chosen.kind)
    for visitor in visitors("warming", 300):
        call(visitor)
    settle()
    profile = cProfile.Profile()
    ids = visitors("profiled", chosen.calls)
    profile.enable()
    for visitor in ids:
        call(visitor)
    profile.disable()
    settle()
    _show(pstats.Stats(profile), chosen.calls)


def _caller(kind: str) -> Tuple[Callable[[str], Any], Callable[[], Any]]:
    """What makes one call for a visitor, and what waits until nothing is under way."""
    if kind == "flag":
        library = SdkFlag()
        return library.ask, library.settle
    document, visit = _VISITS[kind]
    artifact = document()
    client = on_device_client({"kind": "sdk"}, artifact, pool_manager=NoNetwork())
    ask = asking(visit.as_json(), list(artifact["rules"]["mboxes"]))
    return lambda visitor: client.get_offers({"request": ask(visitor)}), lambda: client.flush(30000)


def _show(stats: pstats.Stats, calls: int) -> None:
    own: Counter[str] = Counter()
    made: Counter[str] = Counter()
    for (file, _, _), (_, times, own_seconds, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        room = _room(file)
        own[room] += own_seconds
        made[room] += times
    whole = sum(own.values())
    print("module                                       share   functions a call")
    for room, seconds in own.most_common(24):
        print("{:<42} {:>7.1%} {:>11.1f}".format(room, seconds / whole, made[room] / calls))


def _room(file: str) -> str:
    """The module that a file is, as far as it is ours."""
    parts = PurePath(file).parts
    for package in ("target_python_sdk", "target_tools", "benchmarks"):
        if package in parts:
            return ".".join(parts[parts.index(package) :])[: -len(".py")]
    if file.startswith("<constructor"):
        return "constructors of the types"
    return "built-in functions" if file == "~" else "the standard library"


if __name__ == "__main__":
    main(sys.argv[1:])
