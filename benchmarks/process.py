"""Starts processes, and exchanges messages with them through their stdin and stdout."""

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Optional, Type

from benchmarks.line_protocol import Message

ROOT = Path(__file__).resolve().parent.parent

#: Seconds after which a process that does not answer is killed.
ANSWER_TIMEOUT = 60.0

#: Environment variables that would distort a measurement: they change which modules are found, and how imports behave.
_REMOVED = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSAFEPATH",
    "PYTHONWARNINGS",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONDONTWRITEBYTECODE",
)


class ProcessFailed(Exception):
    """Raised if a process ends, does not answer in time, or answers with an error."""


def clean_environment() -> Dict[str, str]:
    """Return this process's environment variables without those that would distort a measurement."""
    return {name: value for name, value in os.environ.items() if name not in _REMOVED}


class LineProcess:
    """Runs ``python -m module`` or ``node script.js`` during a ``with`` block. ``ready`` is its first message."""

    def __init__(self, interpreter: str, module: str, settings: Optional[Message] = None) -> None:
        self.name = module
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end(); a file, because an unread pipe would fill up
        program = [module] if module.endswith(".js") else ["-m", module]
        command: List[str] = [interpreter, *program, json.dumps(settings or {})]
        self._process = subprocess.Popen(
            command,
            cwd=str(ROOT),
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        try:
            self.ready = self._receive()
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> "LineProcess":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, **question: Any) -> Message:
        """Return the answer to ``question``. Raises ``ProcessFailed`` if the answer is missing or an error."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise ProcessFailed(f"{self.name} has ended: {self._last_error()}") from None
        return self._receive()

    def end(self) -> None:
        """Close stdin so that the process ends, and kill the process if it does not."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):  # the process may have ended before it read the last line
            process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        self._stderr.close()

    def _receive(self) -> Message:
        assert self._process.stdout is not None
        watchdog = threading.Timer(ANSWER_TIMEOUT, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            problem = f"{self.name} ended, or did not answer within {ANSWER_TIMEOUT:g} s: {self._last_error()}"
            raise ProcessFailed(problem)
        message: Message = json.loads(line)
        if "error" in message:
            raise ProcessFailed(str(message["error"]))
        return message

    def _last_error(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "nothing on stderr"
