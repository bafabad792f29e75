"""The parts of ``target-sdk`` that all commands share: help, exit codes, errors, colors and closed pipes."""

import argparse
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import List, Optional

import pytest

from target_python_sdk import __main__ as program
from target_python_sdk.commands.output import Output, Styled, printable
from target_tools.errors import ConnectionFailed, OptionError

COMMAND = [sys.executable, "-m", "target_python_sdk"]


class Terminal(io.TextIOWrapper):
    """A terminal that keeps its output."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")

    def isatty(self) -> bool:
        """Return True."""
        return True

    def screen_text(self) -> str:
        """Return the output so far."""
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal that has colors."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def names_of_commands() -> List[str]:
    """Return the names of all commands."""
    return [module.__name__.rpartition(".")[2] for module in program.COMMANDS]


@pytest.mark.parametrize("name", names_of_commands())
def test_the_help_of_a_command_has_examples(name: str, capsys: "pytest.CaptureFixture[str]") -> None:
    with pytest.raises(SystemExit) as exit_info:
        program.main([name, "--help"])
    printed = capsys.readouterr().out
    assert exit_info.value.code == 0
    assert f"\nexamples:\n  $ target-sdk {name}" in printed
    assert "\nexit codes:\n" in printed


def test_the_help_names_every_command(capsys: "pytest.CaptureFixture[str]") -> None:
    with pytest.raises(SystemExit):
        program.main(["--help"])
    printed = capsys.readouterr().out
    assert [name for name in names_of_commands() if f"\n    {name} " not in printed] == []


def test_the_version_is_printed(capsys: "pytest.CaptureFixture[str]") -> None:
    with pytest.raises(SystemExit) as exit_info:
        program.main(["--version"])
    assert (exit_info.value.code, capsys.readouterr().out) == (0, f"target-sdk {program.__version__}\n")


@pytest.mark.process
def test_the_console_script_is_the_same_program(root: Path) -> None:
    script = Path(sys.executable).with_name("target-sdk")
    if not script.exists():
        pytest.skip("the checkout is not installed in this environment")
    commands = ([str(script)], COMMAND)
    outputs = [subprocess.check_output([*command, "--help"], cwd=str(root), text=True) for command in commands]
    assert outputs[0] == outputs[1]


def exit_code_of(monkeypatch: pytest.MonkeyPatch, error: Optional[BaseException]) -> int:
    """Return the exit code of a command that raises ``error``."""

    def run(_arguments: argparse.Namespace) -> int:
        if error is not None:
            raise error
        return 0

    monkeypatch.setattr(program.demo, "run", run)
    return program.main(["demo"])


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OptionError("rules.json: expected an object", "", ""), 2, "error: rules.json: expected an object\n"),
        (ConnectionFailed("connection refused"), 1, "error: connection refused\n"),
        (FileNotFoundError(2, "No such file", "a\x1b[2J.json"), 1, "error: a\\x1b[2J.json: No such file\n"),
        (OSError("no reason"), 1, "error: no reason\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 1, ""),
        (None, 0, ""),
    ],
)
def test_an_error_is_printed_in_one_line_and_sets_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: "pytest.CaptureFixture[str]",
    error: Optional[BaseException],
    code: int,
    message: str,
) -> None:
    assert exit_code_of(monkeypatch, error) == code
    assert capsys.readouterr() == ("", message)


@pytest.mark.process
@pytest.mark.parametrize("name", ["target_python_sdk.commands.offers", "target_python_sdk.inspection.source"])
def test_an_interrupt_during_an_import_ends_the_program_without_a_traceback(root: Path, name: str) -> None:
    code = (
        "import runpy, sys\n"
        "import target_python_sdk\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {name!r}:\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "sys.argv = ['target-sdk', 'explain', 'activities.json']\n"
        "runpy.run_module('target_python_sdk', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=str(root), capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (program.INTERRUPTED, "", "")


def test_other_exceptions_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other exceptions are defects of the SDK, so their traceback is needed."""
    with pytest.raises(ZeroDivisionError):
        exit_code_of(monkeypatch, ZeroDivisionError())


def test_the_message_about_an_argument_is_escaped(capsys: "pytest.CaptureFixture[str]") -> None:
    with pytest.raises(SystemExit) as exit_info:
        program.main(["demo", "\x1b]0;title\x07"])
    assert exit_info.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("unrecognized arguments: \\x1b]0;title\\x07")


@pytest.mark.process
def test_a_closed_pipe_ends_the_command_without_a_message(root: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--help"],
        cwd=str(root), env={**os.environ, "PYTHONUNBUFFERED": ""}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


@pytest.mark.process
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_a_one_line_error(root: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "--help"],
            cwd=str(root), env={**os.environ, "PYTHONUNBUFFERED": ""}, stdout=full, stderr=subprocess.PIPE,
            text=True, check=False, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


UNSAFE = "a\x1b[31m\r\n\t\x07\u202eb\ud800\x9b"
ESCAPED = r"a\x1b[31m\r\n\t\x07\u202eb\ud800\x9b"


def test_unsafe_characters_are_escaped() -> None:
    assert printable(UNSAFE) == ESCAPED
    assert printable("Grüße, 東京") == "Grüße, 東京"


def test_lines_have_colors_on_a_terminal(terminal: Terminal) -> None:
    Output(terminal).line("name ", Styled(UNSAFE, "red"))
    assert terminal.screen_text() == f"name \x1b[31m{ESCAPED}\x1b[0m\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_the_environment_can_switch_colors_off(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    Output(terminal).line(Styled("name", "red"))
    assert terminal.screen_text() == "name\n"


def test_a_pipe_has_no_colors(terminal: Terminal, capsys: "pytest.CaptureFixture[str]") -> None:
    Output().line(Styled("name", "red"))
    assert capsys.readouterr().out == "name\n"


def test_characters_that_the_stream_cannot_show_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    narrow = Terminal("ascii")
    Output(narrow).line("東")
    assert narrow.screen_text() == "\\u6771\n"


def test_the_columns_of_a_table_are_aligned(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    output = Output(terminal)
    output.table([("name", "share"), ("東京", Styled("50 %", "green")), ("e\u0301", "7 %"), ("\x07", "")], indent="  ")
    assert terminal.screen_text() == "  name   share\n  東京   50 %\n  e\u0301      7 %\n  \\x07\n"


def test_json_is_ascii(terminal: Terminal) -> None:
    Output(terminal).json({"name": UNSAFE + "\x7f"})
    assert terminal.screen_text() == '{\n  "name": "a\\u001b[31m\\r\\n\\t\\u0007\\u202eb\\ud800\\u009b\\u007f"\n}\n'


@pytest.mark.parametrize(
    ("arguments", "usage", "message"),
    [
        (["ofers"], "usage: target-sdk ", "unknown command 'ofers'; did you mean 'offers'?"),
        (
            ["artifact", "xyz"],
            "usage: target-sdk artifact ",
            "unknown command 'xyz'; expected one of check, diff, split",
        ),
        (["artifact", "check", "a", "b"], "usage: target-sdk artifact check ", "unrecognized arguments: b"),
    ],
)
def test_an_error_is_printed_with_the_usage_of_the_command(
    arguments: List[str], usage: str, message: str, capsys: "pytest.CaptureFixture[str]"
) -> None:
    with pytest.raises(SystemExit):
        program.main(arguments)
    printed = capsys.readouterr().err
    assert printed.startswith(usage)
    assert printed.rstrip().endswith(message)
