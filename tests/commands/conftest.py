"""Fixtures that run commands in the process of the test, and save files for them."""

import json
from pathlib import Path
from typing import Callable, List, NamedTuple

import pytest

from target_python_sdk.__main__ import main
from target_tools.typing_compat import Json


class CommandResult(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> List[str]:
        """The lines of the standard output, with single spaces."""
        return [" ".join(line.split()) for line in self.out.splitlines()]


Run = Callable[..., CommandResult]
Save = Callable[..., Path]


@pytest.fixture
def run(capsys: "pytest.CaptureFixture[str]") -> Run:
    """Return a function that runs a command."""

    def run_command(*arguments: object) -> CommandResult:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit_error:  # argparse
            code = int(str(exit_error.code))
        out, err = capsys.readouterr()
        return CommandResult(code, out, err)

    return run_command


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Return a function that saves JSON, or text as it is, and returns the path."""

    def save_file(content: Json, name: str = "rules.json") -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return save_file
