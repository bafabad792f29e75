"""Each page of the built site, in light and in dark mode: its requests, links, width and accessibility."""

import functools
import http.server
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Set
from urllib.parse import unquote, urlsplit

import pytest

from tests.around.chromium import WatchedPage, chromium
from tests.conftest import ROOT
from tests.support import installing

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=installing("site"))

pytestmark = [pytest.mark.server, pytest.mark.slow]

DOCS = ROOT / "docs"
PAGES = sorted(page.relative_to(DOCS).with_suffix(".html").as_posix() for page in DOCS.rglob("*.md"))
#: Pages that together have each kind of element. Only these are checked for contrast: all pages have the same colors,
#: and the check takes most of the time of axe.
SAMPLES = ("index.html", "options.html", "getting-started.html", "concepts.html", "calls.html", "reference/client.html")
WIDTHS = (400, 800, 1280)
SCHEMES = ("light", "dark")
#: The targets of links, and of the files that the page loads.
LINKS = "Array.from(document.querySelectorAll('[href], [src]'), element => element.href || element.src)"
END_OF_TRANSITIONS = "Promise.allSettled(document.getAnimations().map(animation => animation.finished))"
IDS = "Array.from(document.querySelectorAll('[id]'), element => element.id)"


class Visited(NamedTuple):
    """The observations of a page."""

    problems: List[str]
    links: List[str]
    ids: Set[str]
    overflows: Dict[str, int]
    """The pixels by which the page is wider than the window, by color scheme and width of the window."""
    backgrounds: Set[str]
    """The background colors in light and dark mode."""
    violations: List[str]
    """Serious and critical findings of axe."""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site without a log."""

    def log_message(self, *args: Any) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def site(root: Path) -> Iterator[str]:
    """The origin of a server of the built site."""
    folder = root / "site"
    assert (folder / "index.html").is_file(), "the site is not built: run make docs"
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def visit(browser: Any, site: str) -> Callable[[str], Visited]:
    """A function that opens a page once and returns the observations."""
    watched = [
        WatchedPage(browser, site, WIDTHS[-1], color_scheme=scheme, reduced_motion="reduce") for scheme in SCHEMES
    ]
    for each in watched:
        each.page.on("response", functools.partial(_note_failure, each))
    return functools.lru_cache(maxsize=None)(functools.partial(_visit, watched))


def _note_failure(watched: WatchedPage, response: Any) -> None:
    if response.status >= 400:
        watched.problems.append(f"status {response.status}: {response.url}")


def _visit(watched: List[WatchedPage], name: str) -> Visited:
    overflows, backgrounds, violations, problems = {}, set(), [], []
    for each, scheme in zip(watched, SCHEMES):
        page = each.page
        page.goto(f"{each.origin}/{name}")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(END_OF_TRANSITIONS)
            overflows[f"{scheme} {width}"] = each.overflow()
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        violations += [f"{scheme}: {violation}" for violation in _violations(page, name, scheme)]
        problems += each.problems
        each.problems.clear()
    links, ids = page.evaluate(LINKS), set(page.evaluate(IDS))
    return Visited(problems, links, ids, overflows, backgrounds, violations)


def _violations(page: Any, name: str, scheme: str) -> List[str]:
    """Return the serious findings: in light mode those of all rules, in dark mode those of contrast."""
    contrast = {"color-contrast": {"enabled": name in SAMPLES}}
    if scheme == "dark" and name not in SAMPLES:
        return []
    rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else {"rules": contrast}
    found = axe.Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_the_page_has_no_error_and_sends_no_request_to_another_host(
    name: str, visit: Callable[[str], Visited]
) -> None:
    """The console is empty, and the site answers each request."""
    assert visit(name).problems == []


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_not_wider_than_its_window(name: str, visit: Callable[[str], Visited]) -> None:
    assert [window for window, pixels in visit(name).overflows.items() if pixels] == []


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_accessible_in_light_and_dark_mode(name: str, visit: Callable[[str], Visited]) -> None:
    visited = visit(name)
    assert visited.violations == []
    assert len(visited.backgrounds) == len(SCHEMES)


@pytest.mark.parametrize("name", PAGES)
def test_the_target_of_every_internal_link_exists(
    name: str, site: str, root: Path, visit: Callable[[str], Visited]
) -> None:
    """The file exists, and the page contains the anchor."""
    dead = []
    for link in set(visit(name).links):
        url = urlsplit(link)
        path = url.path.lstrip("/")
        if f"{url.scheme}://{url.netloc}" != site:
            continue
        is_alive = (root / "site" / unquote(path)).exists()
        if is_alive and url.fragment and path in PAGES:
            is_alive = unquote(url.fragment) in visit(path).ids
        if not is_alive:
            dead.append(link)
    assert dead == []


def test_the_search_finds_a_page(browser: Any, site: str) -> None:
    watched = WatchedPage(browser, site, WIDTHS[-1])
    watched.page.goto(f"{site}/index.html")
    watched.page.get_by_role("textbox", name="Search").fill("circuit breaker")
    watched.page.locator(".md-search-result__link").first.click()
    watched.page.wait_for_url("**/*.html?h=*")
    assert watched.problems == []
