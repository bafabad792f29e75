# ruff: noqa: T201 - a command-line program prints
"""Profiles on-device calls: ``python -m benchmarks.where prefetch`` (or execute, page, flag).

It prints the share of each module in the time of some thousand calls. Python's profiler
overstates the cost of small functions, so the shares only suggest where to look.
"""

import argparse
import cProfile
import pstats
import sys
from collections import Counter
from pathlib import PurePath
from typing import Any, Callable, Dict, List, Tuple

from benchmarks.artifacts import PARAMETERS, Visit, one_test, page_of_24_rules, visitors
from benchmarks.decision_worker import NoNetwork, on_device_client, request_builder
from benchmarks.flag_libraries import SdkFlag

_VISITS: Dict[str, Tuple[Callable[[], Any], Visit]] = {
    "prefetch": (one_test, Visit("prefetch", "home-hero")),
    "execute": (one_test, Visit("execute", "home-hero")),
    "page": (page_of_24_rules, Visit("prefetch", None, PARAMETERS)),
}


def main(arguments: List[str]) -> None:
    """Print the share of each module in the time of the calling thread."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=[*_VISITS, "flag"])
    parser.add_argument("--calls", type=int, default=3000)
    chosen = parser.parse_args(arguments)
    call, wait = _caller(chosen.kind)
    for visitor in visitors("warming", 300):
        call(visitor)
    wait()
    profile = cProfile.Profile()
    ids = visitors("profiled", chosen.calls)
    profile.enable()
    for visitor in ids:
        call(visitor)
    profile.disable()
    wait()
    _show(pstats.Stats(profile), chosen.calls)


def _caller(kind: str) -> Tuple[Callable[[str], Any], Callable[[], Any]]:
    """Return a function that makes one call for a visitor, and a function that waits for the notifications."""
    if kind == "flag":
        library = SdkFlag({"kind": "sdk"})
        return library.decide, library.wait
    document, visit = _VISITS[kind]
    artifact = document()
    client = on_device_client({"kind": "sdk"}, artifact, pool_manager=NoNetwork())
    build_request = request_builder(visit.as_json(), list(artifact["rules"]["mboxes"]))
    return lambda visitor: client.get_offers({"request": build_request(visitor)}), lambda: client.flush(30000)


def _show(stats: pstats.Stats, calls: int) -> None:
    own: Counter[str] = Counter()
    made: Counter[str] = Counter()
    for (file, _, _), (_, times, own_seconds, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        module = _module(file)
        own[module] += own_seconds
        made[module] += times
    total = sum(own.values())
    print("module                                       share  function calls per SDK call")
    for module, seconds in own.most_common(24):
        print(f"{module:<42} {seconds / total:>7.1%} {made[module] / calls:>11.1f}")


def _module(file: str) -> str:
    """Return the module of a file of the SDK or the benchmarks, otherwise the kind of code."""
    parts = PurePath(file).parts
    for package in ("target_python_sdk", "target_tools", "benchmarks"):
        if package in parts:
            return ".".join(parts[parts.index(package) :])[: -len(".py")]
    if file.startswith("<constructor"):
        return "constructors of the types"
    return "built-in functions" if file == "~" else "the standard library"


if __name__ == "__main__":
    main(sys.argv[1:])
