"""The outputs in ``explaining.md`` are those of its examples and commands."""

import json
import shlex
from pathlib import Path
from typing import Any, Dict

import pytest

from target_python_sdk.__main__ import main
from tests.docs.pages import fenced_after, python_blocks, run_page


@pytest.mark.server
def test_the_texts_on_the_page_are_the_output_of_its_examples(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = root / "docs" / "explaining.md"
    activities = run_page(page)["activities"]
    shown = [fenced_after(page, heading) for heading in ("get B?", "get nothing?")]
    assert capsys.readouterr().out.startswith("".join(shown))

    monkeypatch.chdir(tmp_path)
    Path("activities.json").write_text(json.dumps(activities), encoding="utf-8")
    for experience, share in zip(activities["activities"][0]["experiences"], (60, 40)):
        experience["share"] = share
    Path("new.json").write_text(json.dumps(activities), encoding="utf-8")
    blocks = page.read_text(encoding="utf-8").split("```console\n$ target-sdk ")[1:]
    assert len(blocks) == 3
    for block in blocks:
        command, _, output = block.split("```", 1)[0].replace("\\\n", "").partition("\n")
        assert main(shlex.split(command)) == 0
        assert capsys.readouterr().out == output


@pytest.mark.server
def test_the_view_explains_the_current_visitor(root: Path) -> None:
    """The view is added to the first program of the Flask guide, as the page says."""
    page = root / "docs" / "explaining.md"
    shown = fenced_after(page, 'title="shop.py"')
    program, *_ = python_blocks(root / "docs" / "flask.md")
    (view,) = python_blocks(page, 'python title="shop.py"')
    names: Dict[str, Any] = {"__name__": "shop"}
    exec(compile(f"{program.parsed}\n\n{view.parsed}", "shop.py", "exec"), names)
    with names["edge"], names["target_client"], names["explaining_client"]:
        visitor = shown.split()[2].rstrip(":")
        cookie = {"Cookie": f"mbox=PC#{visitor}.35_0#9999999999"}
        assert names["app"].test_client(use_cookies=False).get("/why", headers=cookie).text + "\n" == shown
