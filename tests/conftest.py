"""Fixtures for all tests, a guard that enforces the markers, and the deselection of long runs."""

import _thread
import logging
import os
import sys
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Tuple

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
#: The folder with the schema and the conformance cases. A clone may lack it.
SHARED = Path(os.environ.get("TARGET_SHARED") or ROOT.parent / "shared")

#: Markers of the long runs. Each has a ``make`` target; the suite leaves them out.
LONG_RUNS = ("soak", "fuzz", "distribution")

# If urllib3 logs at DEBUG, calls in the main thread send from a helper thread. At INFO they send directly, as in
# production.
logging.getLogger("urllib3").setLevel(logging.INFO)

#: The log handlers that each forking thread has locked.
_LOCKED: Dict[int, List[logging.Handler]] = {}


def _lock_log_handlers() -> None:
    handlers = _LOCKED[_thread.get_ident()] = logging.getLogger().handlers.copy()
    for handler in handlers:
        handler.acquire()


def _unlock_log_handlers() -> None:
    for handler in _LOCKED.pop(_thread.get_ident()):
        handler.release()


# pytest writes each log line to a file. A thread that does so during a fork would leave the child with a locked buffer,
# and the child's next log line would wait forever. The child unlocks nothing, because ``logging`` replaces the locks of
# all handlers there.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock_log_handlers, after_in_parent=_unlock_log_handlers, after_in_child=_LOCKED.clear)

# Hypothesis sets no time limit for an example, because an example may take long on a busy machine.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the path of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the schema and the conformance cases: ``TARGET_SHARED``, or ``shared`` beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared cases at {SHARED}: set TARGET_SHARED to their folder")
    return SHARED


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """Deselect a long run unless ``-m`` names its marker."""
    expression = config.option.markexpr
    left_out = [mark for mark in LONG_RUNS if mark not in expression]
    kept: List[pytest.Item] = []
    long_runs: List[pytest.Item] = []
    for item in items:
        (long_runs if any(item.get_closest_marker(mark) for mark in left_out) else kept).append(item)
    if long_runs:
        config.hook.pytest_deselected(items=long_runs)
        items[:] = kept


#: Audit events that need a marker. ``socket.socketpair``, which event loops need, raises none of them.
NETWORK = ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
PROCESS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system")
MARKERS_OF: Dict[str, Tuple[str, ...]] = {
    **dict.fromkeys(NETWORK, ("server",)),
    **dict.fromkeys(PROCESS, ("process", "server")),
}


class MarkerGuard:
    """Refuse sockets and processes to a test without the marker for them, and fail that test."""

    def __init__(self) -> None:
        self._item: Optional[pytest.Item] = None
        self._earlier_threads: FrozenSet[int] = frozenset()
        self._refused: List[str] = []

    def begin(self, item: pytest.Item) -> None:
        """Watch ``item``, but not the threads that earlier tests left running."""
        self._refused = []
        self._earlier_threads = frozenset(sys._current_frames()) - {_thread.get_ident()}
        self._item = item

    def end(self) -> List[str]:
        """Stop watching; return what was refused."""
        self._item = None
        return self._refused

    def audit(self, event: str, arguments: Tuple[Any, ...]) -> None:
        """Raise an error for an audit event that the markers of the test do not allow."""
        markers = MARKERS_OF.get(event)
        if markers is None or self._item is None:
            return
        if any(self._item.get_closest_marker(name) for name in markers) or _thread.get_ident() in self._earlier_threads:
            return
        message = f"{event} in a test that is not marked {' or '.join(markers)}"
        self._refused.append(message)
        raise RuntimeError(message)


guard = MarkerGuard()


def pytest_configure(config: pytest.Config) -> None:
    """Install the guard, except while coverage is measured.

    While an audit hook runs, CPython 3.11 fails to set a trace function, such as that of coverage, in another thread.
    """
    if not config.getoption("cov_source", default=None):
        sys.addaudithook(guard.audit)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Watch a test and its fixtures."""
    guard.begin(item)
    yield
    guard.end()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Fail a test in which the guard refused a socket or a process, even if the SDK caught the error."""
    refused = guard.end()
    assert refused == [], refused
