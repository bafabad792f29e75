"""Makes calls with one peer, in a separate process with the peer's interpreter.

``python -m benchmarks.worker SETTINGS`` first sends the versions that it uses, then
answers ``{"calls": N, "threads": T}`` with ``{"seconds": S}``.
"""

import importlib
import json
import os
import platform
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

from benchmarks.line_protocol import Message, answer_lines, protocol_output, send
from benchmarks.plan import OLD
from benchmarks.workload import CLIENT, ORGANIZATION, SESSION, delivery_request

Call = Callable[[], object]


def raw_call(settings: Message) -> Call:
    """Return a function that sends the headers and the body of the SDK's request with urllib3 alone."""
    urllib3: Any = importlib.import_module("urllib3")
    trust = {"ca_certs": settings["ca_certs"]} if settings["tls"] else {}
    pool = urllib3.PoolManager(maxsize=settings["threads"], **trust)
    url, headers = settings["url"], dict(settings["headers"])
    body = settings["body"].encode("latin-1")

    def call() -> object:
        answer = pool.request("POST", url, body=body, headers=headers, retries=False)
        if answer.status != 200:
            raise RuntimeError(f"HTTP status {answer.status}")
        return answer.data

    return call


def sdk_call(settings: Message) -> Call:
    """Return a function that calls ``get_offers`` of this checkout, always with the same request."""
    trust = {"ca_certs": settings["ca_certs"]} if settings["tls"] else {}
    return _get_offers(settings, timeout=3000, **trust)


def old_sdk_call(settings: Message) -> Call:
    """Return a function that calls ``get_offers`` of 1.1.0.

    1.1.0 reads the certificates and the host only from a default configuration. By default it
    loads certifi's bundle for every call. To keep that cost, the configuration names a copy of
    this bundle with the server's authority added.
    """
    sdk_of(OLD)
    if settings["tls"]:
        delivery_api_client: Any = importlib.import_module("delivery_api_client")
        configuration = delivery_api_client.Configuration(host="https://" + settings["address"])
        configuration.ssl_ca_cert = _bundle_with(Path(settings["ca_certs"]))
        delivery_api_client.Configuration.set_default(configuration)
    return _get_offers(settings, timeout=3000)


def _bundle_with(authority: Path) -> str:
    certifi_bundle = Path(importlib.import_module("certifi").where())
    bundle = authority.with_name("bundle.pem")
    bundle.write_bytes(certifi_bundle.read_bytes() + b"\n" + authority.read_bytes())
    return str(bundle)


def sdk_of(kind: str) -> Any:
    """Return the package ``target_python_sdk``: 1.1.0 from this interpreter's packages, or this checkout."""
    home = os.getcwd()
    if kind == OLD:
        sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != home]
        home = sys.prefix
    sdk: Any = importlib.import_module("target_python_sdk")
    if not os.path.realpath(sdk.__file__).startswith(os.path.realpath(home) + os.sep):
        raise RuntimeError(f"imported a different SDK: {sdk.__file__}")
    return sdk


def client_for(settings: Message, **more: Any) -> Any:
    """Return a client of the SDK that ``settings["kind"]`` selects, for the server at ``settings["address"]``."""
    options: Dict[str, Any] = {
        "client": CLIENT,
        "organization_id": ORGANIZATION,
        "server_domain": settings["address"],
        "secure": settings["tls"],
        "telemetry_enabled": False,
    }
    options.update(more)
    return sdk_of(settings["kind"]).TargetClient.create(options)


def _get_offers(settings: Message, **more: Any) -> Call:
    client = client_for(settings, **more)
    request = delivery_request()

    def call() -> object:
        offers = client.get_offers({"request": request, "session_id": SESSION})
        if offers["response"].execute.mboxes[1].options[0].content["columns"] != 3:
            raise RuntimeError("unexpected answer")
        return offers

    return call


CALLS = {"raw": raw_call, "sdk": sdk_call, OLD: old_sdk_call}


def seconds_for(call: Call, calls: int, threads: int) -> float:
    """Return the duration of ``calls`` calls, divided among ``threads`` threads. Raise the first error."""
    shares = [calls // threads + (number < calls % threads) for number in range(threads)]
    if threads == 1:
        started = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - started
    start = threading.Barrier(threads + 1)
    errors: List[BaseException] = []

    def work(share: int) -> None:
        start.wait()
        try:
            for _ in range(share):
                call()
        except Exception as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    workers = [threading.Thread(target=work, args=(share,)) for share in shares]
    for worker in workers:
        worker.start()
    start.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    elapsed = time.perf_counter() - started
    if errors:
        raise errors[0]
    return elapsed


def main() -> None:
    """Prepare the call that the settings describe, then measure it for each question."""
    settings: Message = json.loads(sys.argv[1])
    output = protocol_output()
    try:
        call = CALLS[settings["kind"]](settings)
        call()  # opens the connection before the measurement
    except Exception as error:  # noqa: BLE001 - the benchmark prints it as the reason for "not run"
        send(output, {"error": f"{type(error).__name__}: {error}"})
        return
    urllib3 = importlib.import_module("urllib3")
    send(output, {"python": platform.python_version(), "urllib3": urllib3.__version__})
    answer_lines(output, lambda question: {"seconds": seconds_for(call, question["calls"], question["threads"])})


if __name__ == "__main__":
    main()
