"""The benchmark's side of a process that speaks the line protocol."""

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

#: Seconds until a process that does not answer is ended.
PATIENCE = 60.0

#: What could bring another checkout, or this one into 1.1.0's interpreter, or have every import compile anew.
_LEFT_OUT = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSAFEPATH",
    "PYTHONWARNINGS",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONDONTWRITEBYTECODE",
)


class ProcessFailed(Exception):
    """A process that ended, was too slow, or answered with an error."""


def clean_environment() -> Dict[str, str]:
    """This process's environment without what changes which modules are found."""
    return {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}


class LineProcess:
    """``python -m module`` or ``node script.js``; its first message in ``ready``; ended on leaving the ``with``."""

    def __init__(self, interpreter: str, module: str, settings: Optional[Message] = None) -> None:
        self.name = module
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end(); a pipe that nobody reads would fill up
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
        """The process's id."""
        return self._process.pid

    def ask(self, **question: Any) -> Message:
        """The answer to ``question``; raises :class:`ProcessFailed`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise ProcessFailed("{} has ended: {}".format(self.name, self._last_words())) from None
        return self._receive()

    def end(self) -> None:
        """Close its stdin, which ends it, and kill it if that does not."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):  # where it ended before it read the last line
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
        watchdog = threading.Timer(PATIENCE, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise ProcessFailed("{} ended or was silent for {:g} s: {}".format(
                self.name, PATIENCE, self._last_words()))
        message: Message = json.loads(line)
        if "error" in message:
            raise ProcessFailed(str(message["error"]))
        return message

    def _last_words(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "no message"
