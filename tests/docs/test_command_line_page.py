"""The output of the commands in ``docs/command-line.md``.

After a deliberate change of the output, update the page::

    python -m tests.docs.test_command_line_page
"""

import contextlib
import io
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any, List

import pytest

from target_python_sdk.__main__ import main
from target_python_sdk.local_edge import LocalEdge
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "command-line.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
ADDRESS = "http://127.0.0.1:8080"


def write_files(folder: Path) -> Path:
    """Write the files of activities that the commands on the page read; return the path of the first one."""
    text = PAGE.read_text(encoding="utf-8").split("```json\n", 1)[1].split("```", 1)[0]
    old = folder / "old.json"
    old.write_text(text, encoding="utf-8")
    document: Any = json.loads(text)
    gold, greeting = document["activities"]
    gold["audience"]["=="][1] = "platinum"
    greeting["experiences"][0]["share"] = 60
    greeting["experiences"][1]["offer"]["html"] = "<b>Good to see you</b>"
    (folder / "new.json").write_text(json.dumps(document), encoding="utf-8")
    gold["audience"] = {"==": [{"var": "user.browserType"}, "Chrome"]}
    gold["experiences"][0]["offer"] = {"redirect": "example.com/gold"}
    greeting["experiences"][0]["share"] = 0
    greeting["experiences"][1]["offer"]["html"] = "<b>Welcome to ${mbox.name</b>"
    (folder / "broken.json").write_text(json.dumps(document), encoding="utf-8")
    return old


def output_of(command: str, edge: LocalEdge) -> str:
    """Return the output of a command. ``ADDRESS`` in the command is replaced by the address of ``edge``."""
    if command.startswith("target-sdk edge "):
        return f"{ADDRESS}\n"
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        main([word.replace(ADDRESS, f"http://{edge.domain}") for word in command.split()[1:]])
    return output.getvalue()


def blocks_with_output(text: str) -> List[str]:
    """Return the blocks of commands with their real output."""
    expected = []
    with LocalEdge("old.json") as edge:
        for block in BLOCK.findall(text):
            commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
            expected.append("".join(f"$ {command}\n{output_of(command, edge)}" for command in commands))
    return expected


@pytest.mark.server
def test_the_page_shows_the_output_of_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_files(tmp_path).parent)
    text = PAGE.read_text(encoding="utf-8")
    assert BLOCK.findall(text) == blocks_with_output(text)


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(write_files(Path(temporary)).parent)
        outputs = iter(blocks_with_output(page))
        os.chdir(str(ROOT))
    PAGE.write_text(BLOCK.sub(lambda _: f"```console\n{next(outputs)}```", page), encoding="utf-8")
