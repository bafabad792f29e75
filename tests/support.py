"""Shared helpers: a request, an answer, clients of a server on this machine, threads, processes and waiting."""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import traceback
import types
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

from target_python_sdk import TargetClient
from target_python_sdk.types import Context, DeliveryRequest, ExecuteRequest, MboxRequest

ROOT = Path(__file__).resolve().parent.parent
#: Milliseconds: short enough for a test to wait, long enough for a busy machine.
SHORT = 200
#: Milliseconds that no test reaches unless something hangs.
LONG = 20000

ANSWER: Dict[str, Any] = {
    "status": 200,
    "client": "acmeclient",
    "id": {"tntId": "visitor.35_0"},
    "edgeHost": "mboxedge35.tt.omtrdc.net",
    "execute": {"mboxes": [{"index": 0, "name": "home", "options": [{"type": "html", "content": "<b>A</b>"}]}]},
}
ANSWER_BYTES = json.dumps(ANSWER).encode()


def options_for(server: Any, **options: Any) -> Dict[str, Any]:
    """Return the options of a client that calls ``server``.

    Telemetry is off, so that the server gets only the requests of a test's own calls.
    """
    return {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "server_domain": server.domain,
        "secure": False,
        "timeout": LONG,
        "telemetry_enabled": False,
        **options,
    }


def client_of(server: Any, **options: Any) -> TargetClient:
    """Create a client that calls ``server``."""
    return TargetClient.create(options_for(server, **options))


def offers(name: str = "home", **request: Any) -> Dict[str, Any]:
    """Return the options of a call that executes one mbox."""
    execute = ExecuteRequest(mboxes=[MboxRequest(name=name)])
    return {"request": DeliveryRequest(context=Context(channel="web"), execute=execute, **request)}


def body_of(raw: bytes) -> Any:
    """Return the JSON body of a request that a server has read."""
    return json.loads(raw.partition(b"\r\n\r\n")[2])


def head_of(raw: bytes) -> Dict[str, str]:
    """Return the headers of a request by lower-case name, and the request line as ``""``."""
    first, *lines = raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    fields = (line.partition(": ") for line in lines)
    return {"": first, **{name.lower(): value for name, _, value in fields}}


def content(envelope: Any, index: int = 0) -> Optional[Any]:
    """Return the content of the first option of the executed mbox at ``index``."""
    return envelope["response"].execute.mboxes[index].options[0].content


def eventually(condition: Callable[[], Any], seconds: float = LONG / 1000) -> bool:
    """Wait up to ``seconds`` until ``condition()`` is true; return whether it is."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    return bool(condition())


def replace_file(path: Path, text: str) -> None:
    """Replace a file by renaming another one, as many editors do. Other threads never read a partly written file."""
    other = path.with_suffix(".new")
    other.write_text(text, encoding="utf-8")
    os.replace(str(other), str(path))


def in_threads(count: int, act: Callable[[int], Any]) -> None:
    """Call ``act(number)`` in ``count`` threads at the same time. Raise the first exception after all have ended."""
    failures: List[BaseException] = []
    together = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            together.wait(30)
            act(number)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Interrupt(Exception):
    """Raised by ``interrupt``, as a signal handler could do."""


def at_instruction(act: Callable[[], Any], instruction: int, folder: Path, intervene: Callable[[], Any]) -> bool:
    """Call ``act``, and call ``intervene`` before one bytecode instruction of the modules in ``folder``.

    ``instruction`` is the index of that instruction among those that these modules execute in the current thread.
    Return whether ``act`` reached it.
    """
    left = instruction

    def trace(frame: types.FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if Path(frame.f_code.co_filename).parent != folder:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == -1:
                intervene()
        return trace

    previous = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 checks this only in ``settrace``
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(previous)
    return left < 0


def interrupt(act: Callable[[], Any], instruction: int, folder: Path) -> bool:
    """Do the same as ``at_instruction`` with a function ``intervene`` that raises ``Interrupt``.

    Code in other threads is not interrupted, because signal handlers run in the main thread only.
    """

    def intervene() -> None:
        raise Interrupt

    try:
        return at_instruction(act, instruction, folder, intervene)
    except Interrupt:
        return True


@contextlib.contextmanager
def switching_often() -> Iterator[None]:
    """Let Python switch between threads as often as possible.

    Coverage's trace function is switched off in new threads, which would otherwise hardly make progress.
    """
    interval, trace = sys.getswitchinterval(), getattr(threading, "_trace_hook", None)
    sys.setswitchinterval(1e-6)
    threading.settrace(None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        threading.settrace(trace)  # type: ignore[arg-type]
        sys.setswitchinterval(interval)


def run_python(*arguments: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
    """Run a new interpreter in the checkout, with warnings as errors; return the completed process."""
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds)


def run_pytest(tests: Path, *options: str) -> str:
    """Run tests in a new process, with no plugin but that of the SDK; return the summary, such as ``3 passed``.

    Fail if a test fails.
    """
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "target_tools.pytest_plugin",
         *options, f"--rootdir={tests.parent}", str(tests)],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": path},
        cwd=str(tests.parent), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return re.split(",| in ", done.stdout.strip().splitlines()[-1])[0]


def installing(requirements: str, *debian_packages: str) -> str:
    """Return the command that installs the packages of ``requirements/<requirements>.txt`` for this interpreter."""
    beforehand = f"apt-get install {' '.join(debian_packages)} && " if debian_packages else ""
    return f"{beforehand}{sys.executable} -m pip install --requirement requirements/{requirements}.txt"


def forked(act: Callable[[], Any]) -> int:
    """Fork a child that calls ``act``; return its process id. Its exit status is 0 if ``act`` raised nothing."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            act()
            status = 0
        except BaseException:  # noqa: BLE001 - the exit status reports it
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return pid


def in_a_child(act: Callable[[], Any]) -> bool:
    """Call ``act`` in a forked child; return whether it raised nothing."""
    return os.waitpid(forked(act), 0)[1] == 0


def uwsgi(worker: int = 0, master: int = 0, processes: int = 2) -> Any:
    """Return a stand-in for the module ``uwsgi``, which exists inside uWSGI's processes."""
    module: Any = types.ModuleType("uwsgi")
    module.worker_id = lambda: worker
    module.masterpid = lambda: master
    module.numproc = processes
    return module
