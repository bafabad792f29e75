"""The Litestar example of ``asgi.md``, apart from the others, because Litestar needs a newer Python than the SDK."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.local_edge import LocalEdge
from tests.docs.conftest import Create
from tests.docs.pages import run_page
from tests.support import installing


@pytest.mark.server
@pytest.mark.parametrize("activities", ["sample", "none"])
def test_the_litestar_example_serves_its_page(
    activities: str, root: Path, edge: LocalEdge, create_at_edge: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = pytest.importorskip("litestar.testing", reason="litestar is not installed: " + installing("test"))
    monkeypatch.setattr(TargetClient, "create", staticmethod(create_at_edge))
    # Otherwise Litestar adds a handler to the root logger, which would print the records of all later tests.
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)
    monkeypatch.setitem(sys.modules, "asgi", types.ModuleType("asgi"))  # Litestar looks up the module of the handler
    if activities == "none":
        edge.load({"activities": []})
    application: Any = run_page(root / "docs" / "asgi.md", 'python title="Litestar"')["app"]
    with testing.TestClient(application) as browser:
        response = browser.get("/")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert ("Welcome" in response.text) == (activities == "none")
    assert len(response.headers.get_list("set-cookie")) == 2
