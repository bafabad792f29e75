"""The page of the local edge in Chromium, in windows as wide as on a phone and on a desktop."""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.page import traffic
from target_python_sdk.types import DeliveryRequest, MboxRequest, PrefetchRequest, VisitorId
from tests.around.chromium import WatchedPage, chromium
from tests.support import client_of

pytestmark = [pytest.mark.server, pytest.mark.slow]

WIDTHS = (400, 1280)
#: Texts that run as scripts or break the layout if a page does not treat them as plain text.
HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)><svg/onload=alert(1)>',
    "javascript:alert(1)//${alert(1)}{{alert(1)}}",
    "x" * 400,
    "\u202eשלום evil\u202c \u2067العربية",
    "👩‍👩‍👧‍👦🏳️‍🌈" * 40,
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def hostile_activities() -> Dict[str, Any]:
    """Return activities with hostile names, locations and offers."""
    return {
        "activities": [
            {
                "id": number,
                "name": text,
                "locations": [text],
                "property": text,
                "audience": {"==": [{"var": f"mbox.{text}"}, text]},
                "experiences": [{"name": text, "offer": {"html": text}}],
            }
            for number, text in enumerate(HOSTILE)
        ]
    }


@pytest.fixture()
def edge(request: pytest.FixtureRequest) -> Iterator[LocalEdge]:
    source = request.getfixturevalue("file") if "file" in request.fixturenames else getattr(request, "param", None)
    with LocalEdge(source, reload=True) as edge:
        yield edge


@pytest.fixture(params=WIDTHS)
def watched_page(request: pytest.FixtureRequest, browser: Any, edge: LocalEdge) -> Iterator[WatchedPage]:
    """Open the page. After the test, check that it had no problem and fits the window, and that controls have names."""
    watched_page = WatchedPage(browser, f"http://{edge.domain}", request.param)
    watched_page.page.goto(watched_page.origin)
    watched_page.page.get_by_role("article").first.wait_for()
    yield watched_page
    assert watched_page.problems == []
    assert watched_page.unnamed_controls() == []
    assert watched_page.overflow() == 0
    watched_page.context.close()


def titles(page: Any) -> List[str]:
    """Return the names of the activities that are shown."""
    return [each.text_content() for each in page.locator("#activities").get_by_role("heading", level=3).all()]


def test_an_activity_is_explored_with_the_keyboard(watched_page: WatchedPage) -> None:
    page = watched_page.page
    page.get_by_role("searchbox", name="Filter").press_sequentially("serverside")
    assert titles(page) == ["Serverside AB"]
    assert page.get_by_text("1 activity shown").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("<div>Hello from experience A</div>").wait_for()
    assert page.locator("article:visible").get_by_text("buckets 0 to 50").count() == 1
    focused = page.locator("summary:focus")
    assert focused.inner_text().split() == ["A", "50", "%", "HTML"]
    assert focused.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"


def test_the_headings_are_in_order(watched_page: WatchedPage) -> None:
    levels = watched_page.page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map(heading => Number(heading.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(after - before for before, after in zip(levels, levels[1:])) == 1


def test_the_explanation_for_a_visitor_is_shown(watched_page: WatchedPage) -> None:
    page = watched_page.page
    page.get_by_label("Visitor id", exact=True).fill("visitor-3")
    page.get_by_label("Location", exact=True).select_option("mbox a1-serverside-ab")
    page.get_by_label("Page URL").fill("http://shop.example/shoes")
    page.get_by_role("button", name="Explain").click()
    result = page.get_by_role("region", name="Result")
    result.get_by_role("heading", level=4, name="a1-serverside-ab").wait_for()
    assert page.get_by_role("status").get_by_text("Visitor visitor-3 gets a1-serverside-ab: B").count() == 1
    text = result.inner_text()
    assert "B of Serverside AB" in text
    assert "bucket 84.27 is in B (50 to 100)" in text
    assert "<div>Greetings from experience B</div>" in text


def test_pasted_cookies_replace_the_random_visitor_id(watched_page: WatchedPage) -> None:
    page = watched_page.page
    visitor_id = page.get_by_label("Visitor id", exact=True)
    assert visitor_id.input_value() != ""
    page.get_by_text("Client hints, cookies, property, referrer").click()
    page.get_by_label("Cookies").fill("mbox=PC#visitor-3.35_0#4102444800")
    assert visitor_id.input_value() == ""
    page.get_by_role("button", name="Explain").click()
    page.get_by_role("status").get_by_text("Visitor visitor-3 gets").wait_for()


def test_pasted_cookies_keep_an_entered_visitor_id(watched_page: WatchedPage) -> None:
    page = watched_page.page
    page.get_by_label("Visitor id", exact=True).fill("visitor-1")
    page.get_by_text("Client hints, cookies, property, referrer").click()
    page.get_by_label("Cookies").fill("mbox=PC#visitor-3.35_0#4102444800")
    page.get_by_role("button", name="Explain").click()
    page.get_by_role("status").get_by_text("Visitor visitor-1 gets").wait_for()


def test_the_error_names_an_invalid_field_and_the_field_gets_the_focus(watched_page: WatchedPage) -> None:
    page = watched_page.page
    page.get_by_label("Cookies").evaluate("field => { field.value = 'mbox=nonsense'; }")
    page.get_by_label("Visitor id", exact=True).fill("")
    page.get_by_role("button", name="Explain").click()
    page.get_by_role("alert").get_by_text("cookies: no mbox cookie with a device id").wait_for()
    assert page.get_by_label("Cookies").is_visible()
    assert page.evaluate("document.activeElement.name") == "cookies"
    # A browser logs every refused request.
    assert watched_page.problems.pop() == (
        "error: Failed to load resource: the server responded with a status of 400 (Bad Request)"
    )


def test_visitors_are_sent_and_their_split_is_drawn(watched_page: WatchedPage) -> None:
    page = watched_page.page
    page.get_by_label("Location", exact=True).select_option("mbox product-recommendations")
    page.get_by_role("button", name="Send 10,000 visitors").press("Enter")
    page.get_by_text("Done: 10,000 visitors.").wait_for()
    table = page.get_by_role("table", name="product-recommendations")
    texts = [" ".join(row.inner_text().split()) for row in table.get_by_role("row").all()]
    assert [text.partition(" %")[0].rpartition(" ")[0] for text in texts[2:]] == [
        "Bestsellers",
        "New arrivals",
        "no offer –",
    ]
    width = table.locator(".measured").first.evaluate(
        "bar => bar.getBoundingClientRect().width / bar.parentElement.clientWidth"
    )
    assert width == pytest.approx(0.5, abs=0.025)
    assert page.evaluate("document.activeElement.id") == "run-split"


def test_a_simulation_can_be_cancelled(watched_page: WatchedPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "VISITORS", 10**9)
    page = watched_page.page
    page.get_by_role("button", name="Send 10,000 visitors").click()
    page.get_by_text("of 1,000,000,000").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.").wait_for()
    assert page.get_by_role("button", name="Send 10,000 visitors").is_enabled()


def test_requests_and_notifications_arrive_live(watched_page: WatchedPage, edge: LocalEdge) -> None:
    page, log = watched_page.page, watched_page.page.get_by_role("log")
    page.get_by_text("connected", exact=True).wait_for()
    visitor = VisitorId(tnt_id=f"{HOSTILE[0]}{HOSTILE[1]}.35_0")
    with client_of(edge) as client:
        prefetch = PrefetchRequest(mboxes=[MboxRequest(name="product-recommendations")])
        offer = client.get_offers(request=DeliveryRequest(id=visitor, prefetch=prefetch)).offer(
            "product-recommendations"
        )
        page.get_by_role("button", name="Pause").click()
        client.send_notifications(request=DeliveryRequest(id=visitor, notifications=[offer.display()]))
    log.get_by_text("gets Bestsellers of “Product recommendations” at product-recommendations, prefetched").wait_for()
    assert log.get_by_text("saw").count() == 0
    page.get_by_role("button", name="Continue").click()
    log.get_by_text("saw Bestsellers of “Product recommendations” at product-recommendations.").wait_for()
    assert log.locator(".visitor bdi").first.text_content() == f"{HOSTILE[0]}{HOSTILE[1]}"
    page.get_by_role("button", name="Clear").click()
    assert log.get_by_role("listitem").count() == 0


@pytest.mark.parametrize("watched_page", [1280], indirect=True)
def test_an_earlier_event_is_shown_with_its_time(edge: LocalEdge, watched_page: WatchedPage) -> None:
    page = watched_page.page
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("target_python_sdk.local_edge.feed.epoch_milliseconds", lambda: 1_700_000_000_000)
        edge.feed.publish("warning", {"problem": "an earlier problem"})
    page.reload()
    event = page.get_by_role("log").get_by_role("listitem").filter(has_text="an earlier problem")
    time = event.get_by_role("time")
    assert time.get_attribute("datetime") == "2023-11-14T22:13:20.000Z"
    assert time.inner_text() == page.evaluate("new Date(1700000000000).toLocaleTimeString('en-GB')")


@pytest.fixture()
def file(tmp_path: Path) -> Path:
    """Return the path of a file with one activity."""
    path = tmp_path / "activities.json"
    path.write_text(json.dumps(activities_named("Before")), encoding="utf-8")
    return path


def activities_named(name: str) -> Dict[str, Any]:
    return {"activities": [{"id": 1, "name": name, "locations": ["m"], "experiences": [{"name": "Only"}]}]}


def test_results_for_earlier_activities_are_marked(file: Path, watched_page: WatchedPage) -> None:
    page = watched_page.page
    outdated = page.get_by_text("The activities have changed since.")
    file.write_text(json.dumps(activities_named("Second")), encoding="utf-8")
    page.get_by_role("heading", level=3, name="Second").wait_for()
    page.get_by_role("button", name="Explain").click()
    page.get_by_role("heading", level=4, name="m").wait_for()
    page.get_by_role("button", name="Send 10,000 visitors").click()
    page.get_by_text("Done: 10,000 visitors.").wait_for()
    assert not any(each.is_visible() for each in outdated.all())

    file.write_text(json.dumps(activities_named("Third")), encoding="utf-8")
    page.get_by_role("heading", level=3, name="Third").wait_for()
    assert [each.inner_text() for each in outdated.all() if each.is_visible()] == [
        "The activities have changed since. Press “Explain” again.",
        "The activities have changed since. Send the visitors again.",
    ]

    with page.expect_response("**/page/visitor"):
        page.get_by_role("button", name="Explain").click()
    page.get_by_text("Press “Explain” again.").wait_for(state="hidden")
    page.get_by_role("button", name="Send 10,000 visitors").click()
    page.get_by_text("Send the visitors again.").wait_for(state="hidden")
    page.get_by_text("Done: 10,000 visitors.").wait_for()


def test_the_page_shows_a_changed_file_and_reports_a_mistake_in_it(file: Path, watched_page: WatchedPage) -> None:
    page = watched_page.page
    page.get_by_text("Only").first.click()
    file.write_text(json.dumps(activities_named("After")), encoding="utf-8")
    page.get_by_role("heading", level=3, name="After").wait_for()
    # The experience is still expanded.
    assert page.get_by_text("No offer: the page keeps its default content.").is_visible()
    file.write_text(json.dumps({"activities": [{"id": "x"}]}), encoding="utf-8")
    alert = page.get_by_role("alert").get_by_text("the previous activities stay in use")
    alert.wait_for()
    assert "activities[0]" in alert.inner_text()
    assert titles(page) == ["After"]
    file.write_text(json.dumps(activities_named("Again")), encoding="utf-8")
    page.get_by_role("heading", level=3, name="Again").wait_for()
    alert.wait_for(state="detached")


@pytest.mark.parametrize("watched_page", [1280], indirect=True)
def test_the_page_connects_again_after_a_restart(edge: LocalEdge, watched_page: WatchedPage) -> None:
    page = watched_page.page
    page.get_by_text("connected", exact=True).wait_for()
    edge.stop()
    page.get_by_text("not connected", exact=True).wait_for()
    edge.load(activities_named("After the restart"))
    edge.start()
    page.get_by_role("heading", level=3, name="After the restart").wait_for()
    # The browser logs each attempt to connect.
    assert [problem for problem in watched_page.problems if "net::ERR_" not in problem] == []
    watched_page.problems.clear()


@pytest.mark.parametrize("watched_page", [1280], indirect=True)
def test_the_problem_of_the_file_stays_shown_after_a_restart(
    file: Path, edge: LocalEdge, watched_page: WatchedPage
) -> None:
    page = watched_page.page
    page.get_by_text("connected", exact=True).wait_for()
    file.write_text(json.dumps({"activities": [{"id": "x"}]}), encoding="utf-8")
    problem = page.get_by_role("alert").get_by_text("activities[0]")
    problem.wait_for()
    edge.stop()
    page.get_by_text("not connected", exact=True).wait_for()
    with page.expect_response("**/page/content") as answer:
        edge.start()
    assert answer.value.json()["problem"] == edge.reload_error
    assert problem.is_visible()
    # The browser logs each attempt to connect.
    assert [each for each in watched_page.problems if "net::ERR_" not in each] == []
    watched_page.problems.clear()


@pytest.mark.parametrize("edge", [hostile_activities()], ids=["hostile"], indirect=True)
def test_hostile_names_run_no_scripts_and_do_not_break_the_layout(watched_page: WatchedPage) -> None:
    page = watched_page.page
    page.locator("#visitor-id").fill(HOSTILE[1])
    page.get_by_label("Kind of id").select_option("thirdPartyId")  # the only kind of id that may contain any text
    page.get_by_role("button", name="Explain").click()
    page.get_by_role("heading", level=4, name=HOSTILE[0]).wait_for()
    assert titles(page) == list(HOSTILE)
    for summary in page.locator("article summary").all():
        summary.click()
    assert [each.text_content() for each in page.locator("#activities code:visible").all()] == list(HOSTILE)


#: A JavaScript function that returns the texts whose contrast to their background is below 4.5, with the contrast.
LOW_CONTRASTS = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => channels(colour).slice(0, 3).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return channels(colour)[3] === 0 && element.parentElement ? ground(element.parentElement) : colour;
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    if ([...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && element.checkVisibility()) {
      const pair = [luminance(getComputedStyle(element).color), luminance(ground(element))].sort((a, b) => b - a);
      const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
      if (contrast < 4.5) {
        low.push(`${element.tagName} ${element.className} ${element.textContent.trim()}: ${contrast.toFixed(2)}`);
      }
    }
  }
  return low;
}"""


def test_texts_have_enough_contrast(watched_page: WatchedPage) -> None:
    page = watched_page.page
    page.locator("#visitor-location").select_option("mbox a1-serverside-ab")
    page.get_by_role("button", name="Send 10,000 visitors").click()
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("Done: 10,000 visitors.").wait_for()
    page.locator("#visitor-result h4").wait_for()
    for summary in page.locator("summary").all():
        summary.click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(LOW_CONTRASTS) == []
