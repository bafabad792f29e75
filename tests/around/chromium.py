"""Start Chromium, and collect the problems of a page in it."""

import contextlib
import shutil
from typing import Any, Dict, Iterator, List
from urllib.parse import urlsplit

import pytest

from tests.support import installing

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: A time limit in milliseconds that only a hanging browser reaches.
TIMEOUT = 60000


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium with an empty profile. Skip the test if Chromium is not installed."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed: " + installing("browser", "chromium"))
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: " + installing("browser"))
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class WatchedPage:
    """A page whose problems are collected: messages on the console, errors, dialogs, and requests to other origins."""

    def __init__(self, browser: Any, origin: str, width: int, **options: Any) -> None:
        self.origin = origin
        self.problems: List[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.context.set_default_timeout(TIMEOUT)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.problems.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("dialog", self._dismiss)
        self.page.on("request", self._check_origin)

    def _dismiss(self, dialog: Any) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _check_origin(self, request: Any) -> None:
        address = urlsplit(request.url)
        if f"{address.scheme}://{address.netloc}" != self.origin:
            self.problems.append(f"request: {request.url}")

    def unnamed_controls(self) -> List[str]:
        """Return a description of each element with a role in ``NAMED_ROLES`` that has no accessible name."""
        session = self.context.new_cdp_session(self.page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        session.detach()
        return [_describe(node) for node in nodes if _role(node) in NAMED_ROLES and not _value(node, "name")]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return wider


#: The roles of elements that need an accessible name.
NAMED_ROLES = frozenset({
    "button", "checkbox", "combobox", "link", "listbox", "menuitem", "radio", "searchbox", "slider", "spinbutton",
    "switch", "tab", "textbox", "DisclosureTriangle", "progressbar", "meter", "region", "image", "img", "table", "form",
    "navigation", "log",
})  # fmt: skip


def _role(node: Dict[str, Any]) -> str:
    return "" if node.get("ignored") else _value(node, "role")


def _value(node: Dict[str, Any], part: str) -> str:
    return str(node.get(part, {}).get("value", "")).strip()


def _describe(node: Dict[str, Any]) -> str:
    return f"{_role(node)} {node.get('description', {}).get('value', '')} {node.get('properties')}"
