"""Runs one workload a number of times, for :mod:`benchmarks.instructions`.

``python benchmarks/instruction_worker.py FOLDER WORKLOAD COUNT`` imports the SDK's packages
from FOLDER and everything else from this checkout, so that another commit runs the same
workload.
"""

import gc
import logging
import sys
from pathlib import Path
from typing import Any, Callable, Dict

Call = Callable[[], object]


def server_side_call() -> Call:
    """Return a ``get_offers`` call whose exchange is replaced: it prepares the request and shapes the answer."""
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


def on_device_decision() -> Call:
    """Return a ``get_offers`` call that is decided on-device: one A/B test, prefetched."""
    from benchmarks.artifacts import Visit, one_test, visitors  # noqa: PLC0415
    from benchmarks.decision_worker import NoNetwork, on_device_client, request_builder  # noqa: PLC0415

    artifact = one_test()
    client = on_device_client({"kind": "sdk"}, artifact, pool_manager=NoNetwork())
    build_request = request_builder(Visit("prefetch", "home-hero").as_json(), list(artifact["rules"]["mboxes"]))
    ids = iter(visitors("instructions", 100000))

    def call() -> object:
        offers = client.get_offers({"request": build_request(next(ids))})
        assert offers["response"].prefetch.mboxes[0].options
        return offers

    return call


WORKLOADS: Dict[str, Callable[[], Call]] = {"call": server_side_call, "decision": on_device_decision}


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
