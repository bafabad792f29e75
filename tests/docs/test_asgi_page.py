"""The Litestar example of ``asgi.md``, separate from ``test_pages``: Litestar needs a newer Python than the SDK."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import run_page
from tests.support import installing


@pytest.mark.server
@pytest.mark.parametrize("activities", ["sample", "none"])
def test_the_litestar_example_serves_its_page(activities: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    testing = pytest.importorskip("litestar.testing", reason="litestar is not installed: " + installing("test"))
    # Otherwise Litestar adds a handler to the root logger. This handler would print the records of all later tests.
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)
    monkeypatch.setitem(sys.modules, "asgi", types.ModuleType("asgi"))  # Litestar looks up the module of the handler
    names: Any = run_page(root / "docs" / "asgi.md", 'python title="Litestar"')
    with names["edge"] as edge, names["target_client"]:
        if activities == "none":
            edge.load({"activities": []})
        with testing.TestClient(names["app"]) as browser:
            response = browser.get("/")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert ("Welcome" in response.text) == (activities == "none")
    assert len(response.headers.get_list("set-cookie")) == 2
