"""The page about explanations shows real output."""

from pathlib import Path

import pytest

from tests.docs.pages import fenced_after, run_page


@pytest.mark.server
def test_the_texts_on_the_page_are_the_output_of_its_examples(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = root / "docs" / "explaining.md"
    run_page(page)
    shown = [fenced_after(page, heading) for heading in ("get B?", "get nothing?")]
    assert capsys.readouterr().out.startswith("".join(shown))
