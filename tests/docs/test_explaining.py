"""The page about explanations shows real output."""

import json
from pathlib import Path

import pytest

from target_python_sdk.__main__ import main
from tests.docs.pages import fenced_after, run_page


@pytest.mark.server
def test_the_texts_on_the_page_are_the_output_of_its_examples(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = root / "docs" / "explaining.md"
    activities = run_page(page)["activities"]
    shown = [fenced_after(page, heading) for heading in ("get B?", "get nothing?")]
    assert capsys.readouterr().out.startswith("".join(shown))

    (tmp_path / "activities.json").write_text(json.dumps(activities), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    console = page.read_text(encoding="utf-8").split("```console\n$ target-sdk ", 1)[1].split("```", 1)[0]
    command, _, output = console.partition("\n")
    assert main(command.split()) == 0
    assert capsys.readouterr().out == output
