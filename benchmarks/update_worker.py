"""Measures what an update of the artifact costs a process, for :mod:`benchmarks.updates`.

``python benchmarks/update_worker.py PACKAGES FOLDER ACTIVITIES`` imports the SDK's packages from PACKAGES and
everything else from this checkout, so that another commit is measured in the same way. FOLDER contains the artifacts.
It prints one JSON object.
"""

import gc
import json
import logging
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, List

#: The maximum number of mboxes to use in turn.
IN_TURN = 2000
#: The number of swaps for which the longest wait is measured.
SWAPS = 3
#: The name of an mbox in the artifacts. Each swap replaces it with a new name.
GENERATION = "generation-0"
#: Seconds after which an artifact that does not arrive is an error.
_TIMEOUT = 300.0


class Artifacts:
    """The file that the client polls. The artifacts come from another process, so they leave no garbage in this one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "polled.json"
        self._count = 0

    def replace(self, source: Path) -> str:
        """Replace the artifact, and return the name of an mbox that only the new one contains."""
        self._count += 1
        name = f"generation-{self._count}"
        new = self.path.with_suffix(".new")
        new.write_bytes(source.read_bytes().replace(GENERATION.encode("ascii"), name.encode("ascii")))
        os.replace(new, self.path)
        return name


def main() -> None:
    """Measure, and print the figures."""
    sys.path[:0] = [sys.argv[1], str(Path(__file__).resolve().parent.parent)]
    folder, activities = Path(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(measure_updates(folder, activities)))  # noqa: T201 - a command-line program prints


def measure_updates(folder: Path, activities: int) -> Dict[str, Any]:
    """Return the figures for the artifact in ``folder`` that has ``activities`` activities."""
    artifacts, artifact = Artifacts(folder), folder / f"{activities}.json"
    first = artifacts.replace(folder / "1.json")
    call = caller(artifacts.path)
    wait_for(call, first)
    for _ in range(SWAPS):
        wait_for(call, artifacts.replace(folder / "1.json"))
    without, resident = collection(), resident_bytes()
    name, others = artifacts.replace(artifact), other_cpu()
    wait_for(call, name)
    found: Dict[str, Any] = {"load": other_cpu() - others, "size": artifact.stat().st_size}
    found["collect"] = collection() - without
    found["memory"] = resident_bytes() - resident
    names = [f"mbox-{number:05d}" for number in range(activities)]
    found.update(uses(call, names[:IN_TURN]))
    found["memory_used"] = resident_bytes() - resident
    found["collect_used"] = collection() - without
    found["wait"] = median(longest_wait(call, artifacts, artifact) for _ in range(SWAPS))
    found["every"] = cpu_of(call, names)
    return found


def caller(path: Path, polling_interval: int = 50) -> Callable[[str], Any]:
    """Return a function that requests an mbox from a client with the artifact at ``path``."""
    from benchmarks.artifacts import CLIENT, HINT  # noqa: PLC0415
    from benchmarks.workload import ORGANIZATION  # noqa: PLC0415
    from target_python_sdk import TargetClient  # noqa: PLC0415
    from target_python_sdk.types import DeliveryRequest, MboxRequest, PrefetchRequest, VisitorId  # noqa: PLC0415

    logger = logging.getLogger("benchmarks.updates")
    logger.disabled = True
    client = TargetClient.create({
        "client": CLIENT,
        "organization_id": ORGANIZATION,
        "target_location_hint": HINT,
        "decisioning_method": "on-device",
        "artifact_location": str(path),
        "polling_interval": polling_interval,
        "telemetry_enabled": False,
        "logger": logger,
    })  # fmt: skip
    identity = VisitorId(tnt_id="visitor-3.35_0")

    def call(name: str) -> Any:
        mboxes = [MboxRequest(index=0, name=name, parameters={"category": "shoes"})]
        return client.get_offers({"request": DeliveryRequest(id=identity, prefetch=PrefetchRequest(mboxes=mboxes))})

    return call


def wait_for(call: Callable[[str], Any], name: str) -> None:
    """Wait until the artifact that contains the mbox ``name`` is in use."""
    ends = time.monotonic() + _TIMEOUT
    while call(name).response.status != 200:
        if time.monotonic() > ends:
            raise RuntimeError(f"the artifact with {name} did not arrive")
        time.sleep(0.02)


def longest_wait(call: Callable[[str], Any], artifacts: Artifacts, artifact: Path) -> float:
    """Return the longest time in seconds that this thread waits for the thread that swaps the artifact.

    A wait counts only to the extent that other threads of this process used the CPU meanwhile, because other processes
    also delay this thread. The existing objects are frozen, because the SDK does not cause their collection.
    """
    name = artifacts.replace(artifact)
    gc.freeze()
    longest, ends, rounds = 0.0, time.monotonic() + _TIMEOUT, 0
    while time.monotonic() < ends:
        began, others = time.perf_counter(), other_cpu()
        time.sleep(0.0005)
        longest = max(longest, min(time.perf_counter() - began - 0.0005, other_cpu() - others))
        rounds += 1
        if rounds % 32 == 0 and call(name).response.status == 200:
            gc.unfreeze()
            return longest
    raise RuntimeError(f"the artifact with {name} did not arrive")


def uses(call: Callable[[str], Any], names: List[str]) -> Dict[str, float]:
    """Return medians for the use of mboxes.

    ``again`` is the CPU seconds of a use after the first one, and ``first`` the additional seconds of the first use.
    ``in_turn`` is the time for using many mboxes in turn, divided by the time for using two of them repeatedly.
    """
    call("unknown")
    first = [cpu_of(call, [name]) for name in names]
    for _ in range(2):
        cpu_of(call, names)
    again = [cpu_of(call, [name]) for name in names]
    # Short rounds measure both times under the same conditions. Two mboxes are repeated instead of one, because every
    # second mbox has an audience.
    ratios = []
    for start in range(0, len(names), 20):
        in_turn = names[start : start + 20]
        ratios.append(cpu_of(call, in_turn) / cpu_of(call, in_turn[:2] * (len(in_turn) // 2)))
    gc.collect()
    return {"first": median(first) - median(again), "again": median(again), "in_turn": median(ratios)}


def cpu_of(call: Callable[[str], Any], names: List[str]) -> float:
    """Call once with each name; return the CPU seconds of this thread per call."""
    began = time.thread_time()
    for name in names:
        call(name)
    return (time.thread_time() - began) / len(names)


def other_cpu() -> float:
    """Return the CPU seconds of the other threads of this process."""
    return time.process_time() - time.thread_time()


def collection() -> float:
    """Return the CPU seconds of a full garbage collection: the shortest of five."""
    return min(_collect() for _ in range(5))


def _collect() -> float:
    began = time.thread_time()
    gc.collect()
    return time.thread_time() - began


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
