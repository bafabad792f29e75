"""Each view in the guides for Flask and FastAPI works without the other views of its page."""

from typing import Any, Dict, Iterator

import pytest

from tests.conftest import ROOT
from tests.docs.pages import python_blocks

VIEWS = [
    pytest.param(page, number, id=f"{page}-{number}")
    for page in ("flask.md", "asgi.md")
    for number, block in enumerate(python_blocks(ROOT / "docs" / page))
    if number and "@app." in block.parsed
]


def pages_of_flask(app: Any) -> Iterator[int]:
    """Return the status of each page of the application."""
    app.testing = True  # raises the exceptions of views
    browser = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static" and "GET" in rule.methods:
            yield browser.get(rule.rule).status_code


def pages_of_fastapi(app: Any) -> Iterator[int]:
    """Return the status of each page of the application."""
    from fastapi.routing import APIRoute  # noqa: PLC0415 - not installed on every Python
    from fastapi.testclient import TestClient  # noqa: PLC0415

    browser = TestClient(app)
    for route in app.routes:
        if isinstance(route, APIRoute) and "GET" in route.methods:
            yield browser.get(route.path).status_code


@pytest.mark.server
@pytest.mark.parametrize(("page", "number"), VIEWS)
def test_the_views_of_a_block_need_only_the_first_block_of_the_page(page: str, number: int) -> None:
    blocks = python_blocks(ROOT / "docs" / page)
    names: Dict[str, Any] = {"__name__": "shop"}
    exec(compile(f"{blocks[0].parsed}\n\n{blocks[number].parsed}", "shop.py", "exec"), names)
    pages = {"flask.md": pages_of_flask, "asgi.md": pages_of_fastapi}[page]
    with names["edge"], names["target_client"]:
        assert set(pages(names["app"])) == {200}
