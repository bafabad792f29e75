"""The calls that a process makes with one double, and a report of how each ended.

The name of a call is the mbox that it requests, so the requests at the server show which calls reached it.
Calls whose names start with ``inside`` are sent while the double is on.
"""

import contextlib
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Dict, Iterator, List

from tests.doubles.calls import PLAIN, Caller
from tests.doubles.payload import DRIPPING, FAILING, HANGING, SLOW

#: How each call ended, by its name: either ``content``, or ``error`` with ``text``, ``ours`` and ``causes``.
Report = Dict[str, Any]
Switch = Callable[[str], "contextlib.AbstractContextManager[Any]"]
#: The timeout in milliseconds of calls that must end although the clock is frozen.
SHORT = 300


def outcome(call: Caller, name: str, **options: Any) -> Report:
    """Send one call and return its entry in the report."""
    try:
        return {"content": call(name, **options)}
    except Exception as error:  # noqa: BLE001 - the report names whatever was raised
        errors = _module_of_errors()
        ours = errors is not None and isinstance(error, errors.DeliveryError)
        return {"error": type(error).__name__, "text": str(error), "ours": ours, "causes": _causes(error)}


def call_with_switch(call: Caller, switch: Switch) -> Report:
    """Call with the double on and off in turn; idle connections stay open from one turn to the next."""
    report: Report = {}
    for number in (1, 2):
        with switch(call.domain) as seen:
            name = f"inside-{number}"
            report[name] = outcome(call, name)
            if seen is not None:
                report[name]["seen"] = len(seen)
        report[f"outside-{number}"] = outcome(call, f"outside-{number}")
    return report


def call_with_monitor(call: Caller, make: Callable[[], Any]) -> Report:
    """Call in two spans of the application, one after the other: a worker thread must not keep the first span."""
    monitor = make()
    pages = ["inside-1", "inside-2"]
    report: Report = {}
    for page in pages:
        with monitor.page(page):
            report[page] = outcome(call, page)
    for page, children in monitor.children(pages).items():
        report[page]["children"] = children
    return report


def record_and_replay(call: Caller, stop_server: Callable[[], None]) -> Report:
    """Record a cassette, stop the server, and replay the cassette."""
    import vcr  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        cassette = str(Path(folder, "cassette.yaml"))
        return _record_and_replay(
            call, lambda mode: vcr.use_cassette(cassette, record_mode="once" if mode == "once" else "none"), stop_server
        )


def _record_and_replay(call: Caller, cassette: Callable[[str], Any], stop_server: Callable[[], None]) -> Report:
    report: Report = {}
    with cassette("once"):
        report["recorded"] = outcome(call, "recorded")
    report["outside-1"] = outcome(call, "outside-1")
    stop_server()
    with cassette("none"):
        report["inside-replayed"] = outcome(call, "inside-replayed")
    report["stopped"] = outcome(call, "stopped")
    return report


def record_and_replay_with_plugin(call: Caller, stop_server: Callable[[], None]) -> Report:
    """Record a cassette with ``pytest.mark.vcr`` in one run of pytest, and replay it in another, without the server."""
    import pytest  # noqa: PLC0415

    from tests.doubles import recorded  # noqa: PLC0415

    report: Report = {}
    with TemporaryDirectory() as folder:
        ini = Path(folder, "pytest.ini")
        ini.write_text("[pytest]\n")
        recorded.FOLDER = folder

        def run(name: str, *options: str) -> None:
            recorded.ACT = lambda: report.update({name: outcome(call, name)})
            common_options = ("-q", "-c", str(ini), "--rootdir", folder, "--noconftest", "-p", "no:cacheprovider")
            pytest.main([recorded.__file__, *common_options, "-p", "pytest_recording.plugin", *options])

        run("recorded", "--record-mode=once")
        report["outside-1"] = outcome(call, "outside-1")
        stop_server()
        run("inside-replayed", "--record-mode=none", "--block-network")
        report["stopped"] = outcome(call, "stopped")
    return report


def call_with_frozen_clock(call: Caller) -> Report:
    """Call while the clock stands still and while it jumps."""
    import freezegun  # noqa: PLC0415

    report: Report = {}
    with freezegun.freeze_time("2020-01-01") as clock:
        report["passed-1"] = outcome(call, "passed-1")
        clock.tick(86400)
        report["passed-2"] = outcome(call, "passed-2")
        with _jumping(clock):
            report[SLOW] = outcome(call, SLOW)
        report[HANGING] = outcome(call, HANGING, timeout=SHORT)
        if call.form != PLAIN:  # urllib3 has no deadline for a whole call, and no circuit breaker
            report[DRIPPING] = outcome(call, DRIPPING, timeout=SHORT)
            report["opened"] = _first_matching(
                lambda: outcome(call, FAILING), lambda end: end.get("error") == "CircuitOpen"
            )
            report["closed"] = _first_matching(lambda: outcome(call, "closed"), lambda end: "content" in end)
    report["passed-3"] = outcome(call, "passed-3")
    return report


@contextlib.contextmanager
def _jumping(clock: Any) -> Iterator[None]:
    """Move the frozen clock forward by an hour every 20 ms until the block ends."""
    import threading  # noqa: PLC0415

    stop = threading.Event()

    def jump() -> None:
        while not stop.wait(0.02):
            clock.tick(3600)

    thread = threading.Thread(target=jump)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _first_matching(act: Callable[[], Report], matches: Callable[[Report], bool]) -> Report:
    """Return the first result for which ``matches`` is true, or the last of 200."""
    for _ in range(200):
        result = act()
        if matches(result):
            break
        time.sleep(0.05)
    return result


def _module_of_errors() -> Any:
    return sys.modules.get("target_tools.errors")


def _causes(error: BaseException) -> List[str]:
    """Return the class names of an error and of all its causes."""
    found: List[BaseException] = []
    waiting: List[Any] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and all(each is not other for other in found):
            found.append(each)
            # urllib3 keeps the error that it wraps as an argument or as ``reason``.
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
    return [type(each).__name__ for each in found]
