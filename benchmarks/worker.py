"""One peer, making calls on demand; a process of its own, under the peer's interpreter.

``python -m benchmarks.worker SETTINGS`` says which versions it uses, then
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
    """urllib3 by itself, sending what the SDK sent: the same headers, the same body."""
    urllib3: Any = importlib.import_module("urllib3")
    trust = {"ca_certs": settings["ca_certs"]} if settings["tls"] else {}
    pool = urllib3.PoolManager(maxsize=settings["threads"], **trust)
    url, headers = settings["url"], dict(settings["headers"])
    body = settings["body"].encode("latin-1")

    def call() -> object:
        answer = pool.request("POST", url, body=body, headers=headers, retries=False)
        if answer.status != 200:
            raise RuntimeError("HTTP status {}".format(answer.status))
        return answer.data

    return call


def sdk_call(settings: Message) -> Call:
    """``get_offers`` of this checkout; the request is made once, as a site's template of it would be."""
    trust = {"ca_certs": settings["ca_certs"]} if settings["tls"] else {}
    return _get_offers(settings, timeout=3000, **trust)


def old_sdk_call(settings: Message) -> Call:
    """``get_offers`` of 1.1.0, which takes a certificate only from a default configuration, and with it the host.

    By itself it reads certifi's bundle for every call; so it gets that bundle with our authority added.
    """
    sdk_of(OLD)
    if settings["tls"]:
        delivery_api_client: Any = importlib.import_module("delivery_api_client")
        configuration = delivery_api_client.Configuration(host="https://" + settings["address"])
        configuration.ssl_ca_cert = _bundle_with(Path(settings["ca_certs"]))
        delivery_api_client.Configuration.set_default(configuration)
    return _get_offers(settings, timeout=3000)


def _bundle_with(authority: Path) -> str:
    usual = Path(importlib.import_module("certifi").where())
    bundle = authority.with_name("bundle.pem")
    bundle.write_bytes(usual.read_bytes() + b"\n" + authority.read_bytes())
    return str(bundle)


def sdk_of(kind: str) -> Any:
    """The ``target_python_sdk`` of 1.1.0, which is this interpreter's own, or else of this checkout."""
    home = os.getcwd()
    if kind == OLD:
        sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != home]
        home = sys.prefix
    sdk: Any = importlib.import_module("target_python_sdk")
    if not os.path.realpath(sdk.__file__).startswith(os.path.realpath(home) + os.sep):
        raise RuntimeError("this is another SDK than the one to be measured: " + sdk.__file__)
    return sdk


def client_for(settings: Message, **more: Any) -> Any:
    """A client of the release that the settings name, asking the server that they name."""
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
            raise RuntimeError("not the answer that was served")
        return offers

    return call


CALLS = {"raw": raw_call, "sdk": sdk_call, OLD: old_sdk_call}


def seconds_for(call: Call, calls: int, threads: int) -> float:
    """How long ``calls`` calls take, shared out over ``threads`` threads; the first error is raised."""
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
        except Exception as error:  # noqa: BLE001 - raised again below, in the thread that asked
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
    """Make the call that the settings name, then time it as often as asked."""
    settings: Message = json.loads(sys.argv[1])
    output = protocol_output()
    try:
        call = CALLS[settings["kind"]](settings)
        call()  # opens the connection; nothing is measured cold
    except Exception as error:  # noqa: BLE001 - told to the benchmark, which says "not run"
        send(output, {"error": "{}: {}".format(type(error).__name__, error)})
        return
    urllib3 = importlib.import_module("urllib3")
    send(output, {"python": platform.python_version(), "urllib3": urllib3.__version__})
    answer_lines(output, lambda question: {"seconds": seconds_for(call, question["calls"], question["threads"])})


if __name__ == "__main__":
    main()
