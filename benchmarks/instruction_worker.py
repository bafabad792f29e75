"""Runs one workload a number of times, for :mod:`benchmarks.instructions`.

``python benchmarks/instruction_worker.py FOLDER WORKLOAD COUNT`` imports the SDK's packages
from FOLDER and everything else from this checkout, so that another commit runs the same
workload.
"""

import gc
import logging
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

Call = Callable[[], object]


def server_side_call() -> Call:
    """Return a function that calls ``get_offers``. A fixed answer takes the place of the network."""
    from benchmarks.artifacts import CLIENT, HINT  # noqa: PLC0415
    from benchmarks.decision_worker import NoNetwork  # noqa: PLC0415
    from benchmarks.workload import ANSWER, ORGANIZATION, SESSION, delivery_request  # noqa: PLC0415
    from target_python_sdk import TargetClient  # noqa: PLC0415

    network: Any = NoNetwork(ANSWER.partition(b"\r\n\r\n")[2])
    client = TargetClient.create({
        "client": CLIENT,
        "organization_id": ORGANIZATION,
        "target_location_hint": HINT,
        "pool_manager": network,
    })  # fmt: skip
    request = delivery_request()

    def call() -> object:
        offers: Any = client.get_offers({"request": request, "session_id": SESSION})
        assert offers["response"].execute.mboxes[1].options[0].content["columns"] == 3
        return offers

    return call


def prefetched_mbox() -> Call:
    """Return a function that prefetches one A/B test with ``get_offers``, decided on-device."""
    from benchmarks.artifacts import Visit, one_test  # noqa: PLC0415

    call, _ = _on_device_call(one_test(), Visit("prefetch", "home-hero"))
    return call


def executed_mbox() -> Call:
    """Return a function that executes one A/B test, and waits until a worker has sent the notification."""
    from benchmarks.artifacts import Visit, one_test  # noqa: PLC0415

    call, client = _on_device_call(one_test(), Visit("execute", "home-hero"))

    def call_and_flush() -> object:
        offers = call()
        assert client.flush(60_000)
        return offers

    return call_and_flush


def page_load() -> Call:
    """Return a function that prefetches a page load with 24 rules."""
    from benchmarks.artifacts import PARAMETERS, Visit, page_of_24_rules  # noqa: PLC0415

    call, _ = _on_device_call(page_of_24_rules(), Visit("prefetch", None, PARAMETERS))
    return call


def flag() -> Call:
    """Return a function that reads one flag, and waits until a worker has sent the notification."""
    from benchmarks.artifacts import visitors  # noqa: PLC0415
    from benchmarks.flag_libraries import SdkFlag  # noqa: PLC0415

    flags, ids = SdkFlag({"kind": "sdk"}), iter(visitors("instructions", 100000))

    def call() -> object:
        values = flags.decide(next(ids))
        flags.wait()
        return values

    return call


def _on_device_call(artifact: Any, visit: Any) -> Tuple[Call, Any]:
    """Return a function that calls ``get_offers`` for a new visitor each time, and the client that it uses."""
    from benchmarks.artifacts import visitors  # noqa: PLC0415
    from benchmarks.decision_worker import (  # noqa: PLC0415
        NoNetwork,
        content_reader,
        on_device_client,
        request_builder,
    )

    client = on_device_client({"kind": "sdk"}, artifact, pool_manager=NoNetwork())
    build_request = request_builder(visit.as_json(), list(artifact["rules"]["mboxes"]))
    read = content_reader(visit.as_json())
    ids = iter(visitors("instructions", 100000))

    def call() -> object:
        offers = client.get_offers({"request": build_request(next(ids))})
        assert read(offers["response"])
        return offers

    return call, client


WORKLOADS: Dict[str, Callable[[], Call]] = {
    "call": server_side_call,
    "decision": prefetched_mbox,
    "executed": executed_mbox,
    "page": page_load,
    "flag": flag,
}


def main() -> None:
    """Run the workload that the command line names."""
    folder, workload, count = sys.argv[1:]
    root = str(Path(__file__).resolve().parent.parent)
    sys.path[:] = [folder, *(entry for entry in sys.path[1:] if entry != root), root]
    logging.disable(logging.CRITICAL)
    gc.disable()  # the number of collections would differ from run to run
    call = WORKLOADS[workload]()
    for _ in range(int(count)):
        call()
    location = str(sys.modules["target_python_sdk"].__file__)
    if Path(location).resolve().parent.parent != Path(folder).resolve():
        raise RuntimeError(f"imported the SDK from {location}")


if __name__ == "__main__":
    main()
