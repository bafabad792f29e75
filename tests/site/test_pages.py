"""Each page of the built site: its requests, its links, and in light and dark mode its width and accessibility."""

import functools
import http.server
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, FrozenSet, Iterator, List, Optional, Set, Tuple
from urllib.parse import unquote, urlsplit

import pytest

from tests.around.chromium import WatchedPage, chromium
from tests.conftest import ROOT
from tests.support import installing

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=installing("site"))

pytestmark = [pytest.mark.server, pytest.mark.slow]

DOCS, SITE = ROOT / "docs", ROOT / "site"
PAGES = sorted(page.relative_to(DOCS).with_suffix(".html").as_posix() for page in DOCS.rglob("*.md"))
WIDTHS = (400, 800, 1280)
#: The color schemes of the theme, by the preference of the browser.
SCHEMES = {"light": "default", "dark": "slate"}
SCHEME = "document.body.dataset.mdColorScheme"
SWITCH = "[data-md-component=palette] label:visible"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
#: The targets of links, and the URLs of the files that the page loads.
LINKS = "Array.from(document.querySelectorAll('[href], [src]'), element => element.href || element.src)"
#: The entries of the reference without a text.
EMPTY_ENTRIES = """
    Array.from(document.querySelectorAll('.doc-contents'))
        .filter(contents => !contents.textContent.trim())
        .map(contents => contents.parentElement.querySelector('.doc-heading').id)
"""
END_OF_TRANSITIONS = "Promise.allSettled(document.getAnimations().map(animation => animation.finished))"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site without a log."""

    def log_message(self, *args: Any) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The origin of a server for the built site."""
    assert (SITE / "index.html").is_file(), "the site is not built: run make docs"
    handler = functools.partial(Handler, directory=str(SITE))
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
def watched(browser: Any, site: str) -> WatchedPage:
    """A page that counts a reply with an error status as a problem."""
    created = WatchedPage(browser, site, WIDTHS[0], reduced_motion="reduce")
    created.page.on("response", functools.partial(_note_failure, created))
    return created


def _note_failure(watched: WatchedPage, response: Any) -> None:
    if response.status >= 400:
        watched.problems.append(f"status {response.status}: {response.url}")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_has_no_problem_in_light_and_dark_mode(name: str, watched: WatchedPage) -> None:
    """The page calls no other host, logs nothing to the console, has no dead link, fits, and is accessible."""
    page, backgrounds = watched.page, set()
    watched.problems.clear()
    page.goto(f"{watched.origin}/{name}")
    problems = [f"dead link: {link}" for link in sorted(set(page.evaluate(LINKS))) if _is_dead(link, watched.origin)]
    problems += [f"no docstring: {entry}" for entry in page.evaluate(EMPTY_ENTRIES)]
    for widths in (WIDTHS, WIDTHS[::-1]):
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            problems += [f"{page.evaluate(SCHEME)}, {width} px: {each}" for each in _problems_of_view(watched)]
        backgrounds.add(page.evaluate(BACKGROUND))
        # The browser stores the choice, so the next page begins in the other mode.
        if widths == WIDTHS:
            page.locator(SWITCH).click()
    problems += watched.problems
    assert not problems, "\n".join(problems)
    assert len(backgrounds) == len(SCHEMES)


def _problems_of_view(watched: WatchedPage) -> List[str]:
    """Return the problems in the current size and mode.

    Accessibility is checked only in the widest window, which shows all parts of a page.
    """
    watched.page.evaluate(END_OF_TRANSITIONS)
    pixels = watched.overflow()
    problems = [f"{pixels} px too wide"] if pixels else []
    return problems + _violations(watched.page) if watched.page.viewport_size["width"] == WIDTHS[-1] else problems


def _violations(page: Any) -> List[str]:
    """Return the serious and critical findings of axe."""
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def _is_dead(link: str, origin: str) -> bool:
    """Return whether the target of a link within the site is missing: the file, or the element that the link names."""
    url = urlsplit(link)
    path = SITE / unquote(url.path.lstrip("/"))
    if f"{url.scheme}://{url.netloc}" != origin:
        return False
    if not path.exists():
        return True
    return bool(url.fragment) and path.suffix == ".html" and unquote(url.fragment) not in _ids(path)


@functools.lru_cache(maxsize=None)
def _ids(path: Path) -> FrozenSet[str]:
    """Return the ids of the elements of a page."""
    ids: Set[str] = set()

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
            ids.update(value for name, value in attrs if name == "id" and value)

    Parser().feed(path.read_text(encoding="utf-8"))
    return frozenset(ids)


@pytest.mark.parametrize("preference", SCHEMES)
def test_the_first_visit_is_in_the_preferred_mode(preference: str, browser: Any, site: str) -> None:
    watched = WatchedPage(browser, site, WIDTHS[-1], color_scheme=preference)
    watched.page.goto(f"{site}/index.html")
    assert watched.page.evaluate(SCHEME) == SCHEMES[preference]
    assert watched.problems == []


def test_the_search_finds_a_page(browser: Any, site: str) -> None:
    watched = WatchedPage(browser, site, WIDTHS[-1])
    watched.page.goto(f"{site}/index.html")
    watched.page.get_by_role("textbox", name="Search").fill("circuit breaker")
    watched.page.locator(".md-search-result__link").first.click()
    watched.page.wait_for_url("**/*.html?h=*")
    assert watched.problems == []
