"""The page of the local edge, over HTTP: its files, the overview, the form and the simulation."""

import contextlib
import http.client
import json
import re
from pathlib import Path
from typing import Any, Dict, List

import pytest

from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.page import traffic
from target_python_sdk.local_edge.page.overview import MAX_ACTIVITIES, MAX_OFFER
from target_python_sdk.local_edge.page.routes import MAX_SIMULATIONS
from target_python_sdk.local_edge.page.traffic import STEP, VISITORS
from target_python_sdk.local_edge.page.visitor import FIELDS
from tests.around.edge_http import ask
from tests.support import eventually

pytestmark = pytest.mark.server

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def overview(source: Any = None) -> Dict[str, Any]:
    """Return the activities in the overview of an edge, by id."""
    with LocalEdge(source) as edge:
        found = ask(edge, "GET", "/page/content").json()
    assert found["client"] == edge.rules["meta"]["clientCode"]
    return {activity["id"]: activity for activity in found["activities"]}


@pytest.mark.parametrize("path", ["/", "/page/page.css", "/page/page.js", "/page/dom.js", "/page/icon.svg"])
def test_the_files_of_the_page_have_a_strict_policy(path: str) -> None:
    with LocalEdge() as edge:
        answer = ask(edge, "GET", path, headers=HTML)
        assert edge.requests == []
    policy = dict(part.partition(" ")[::2] for part in answer.headers["content-security-policy"].split("; "))
    assert answer.status == 200
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'", "'script'"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_every_file_of_the_page_is_loaded_from_the_edge() -> None:
    """The addresses in the page exist, and the page has no inline scripts or styles."""
    with LocalEdge() as edge:
        page = ask(edge, "GET", "/", headers=HTML).body.decode()
        addresses = set(re.findall(r'(?:src|href)="([^#"]*)"', page))
        assert addresses == {"/page/icon.svg", "/page/page.css", "/page/page.js"}
        assert [ask(edge, "GET", address).status for address in addresses] == [200] * 3
    assert "style=" not in page
    assert "<script>" not in page


@pytest.mark.parametrize("path", ["/page/", "/page/index.txt", "/page/files.py", "/page/..%2fserver.py", "/page/x.js"])
def test_other_files_are_not_served(path: str) -> None:
    with LocalEdge() as edge:
        assert ask(edge, "GET", path).status == 404


def test_the_page_accepts_no_post_to_its_files() -> None:
    with LocalEdge() as edge:
        assert ask(edge, "POST", "/page/page.css", {}).status == 405
        assert ask(edge, "POST", "/page/content", {}).status == 405


def test_a_program_gets_the_overview_as_text() -> None:
    with LocalEdge() as edge:
        answer = ask(edge, "GET", "/", headers={"Accept": "*/*"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"1111 Serverside AB: a1-serverside-ab" in answer.body


def test_the_overview_has_shares_offers_and_locations() -> None:
    activities = overview()
    assert activities["1111"] == {
        "id": "1111",
        "name": "Serverside AB",
        "remote": False,
        "locations": [{"kind": "mbox", "name": "a1-serverside-ab"}],
        "properties": [],
        "clicks": 1,
        "audience": "every visitor",
        "experiences": [
            {
                "name": name,
                "audience": "every visitor",
                "lower": lower,
                "upper": lower + 50,
                "offers": [{"type": "html", "content": content, "locations": ["a1-serverside-ab"]}],
            }
            for name, lower, content in (
                ("A", 0, "<div>Hello from experience A</div>"),
                ("B", 50, "<div>Greetings from experience B</div>"),
            )
        ],
    }
    assert activities["1115"]["remote"]
    assert activities["1114"]["clicks"] == 1
    assert activities["1113"]["locations"] == [{"kind": "view", "name": "checkout"}]
    assert activities["1112"]["experiences"][1]["offers"] == []
    assert '"searchProviderId": 143' in activities["1110"]["experiences"][0]["offers"][0]["content"]


def test_the_overview_has_audiences_in_words_and_properties() -> None:
    chrome = {"==": [{"var": "user.browserType"}, "chrome"]}
    activity = {"id": 7, "locations": ["b", "a"], "audience": chrome, "property": "p1", "experiences": [{}]}
    (found,) = overview({"activities": [activity]}).values()
    assert found["audience"] == "user.browserType is 'chrome'"
    assert found["properties"] == ["p1"]
    assert [location["name"] for location in found["locations"]] == ["b", "a"]


def test_the_activities_have_the_order_of_the_file() -> None:
    first, second = ({"id": number, "locations": [name], "experiences": [{}]} for number, name in ((9, "z"), (2, "a")))
    second["views"] = ["v"]
    assert list(overview({"activities": [first, second]})) == ["9", "2"]


def test_an_experience_can_have_an_audience_instead_of_a_share(shared: Path) -> None:
    artifact = shared / "conformance" / "artifacts" / "TEST_ARTIFACT_BROWSER.json"
    (found, *_) = overview(artifact).values()
    assert found["audience"] is None
    assert {(each["lower"], each["upper"]) for each in found["experiences"]} == {(None, None)}
    assert any("'firefox'" in each["audience"] for each in found["experiences"])


def test_the_overview_has_a_limited_number_of_activities_and_shortens_offers() -> None:
    long = {"offer": {"html": "x" * (MAX_OFFER + 5)}}
    many = [{"id": number, "locations": ["m"], "experiences": [long]} for number in range(MAX_ACTIVITIES + 1)]
    with LocalEdge({"activities": many}) as edge:
        found = ask(edge, "GET", "/page/content").json()
    assert found["total"] == MAX_ACTIVITIES + 1
    assert len(found["activities"]) == MAX_ACTIVITIES
    assert len(found["activities"][0]["experiences"][0]["offers"][0]["content"]) == MAX_OFFER + 1


def test_the_form_is_answered_and_not_recorded() -> None:
    with LocalEdge() as edge:
        answer = ask(edge, "POST", "/page/visitor", {"id": "visitor-3", "location": "mbox a1-serverside-ab"})
        refused = ask(edge, "POST", "/page/visitor", {"browser": "x"})
        assert (edge.requests, edge.displays, edge.feed.last) == ([], [], 0)
    (location,) = json.loads(answer.body)["locations"]
    assert location["offers"][0]["experience"] == "B"
    assert (refused.status, json.loads(refused.body)["message"]) == (
        400,
        f"form: unknown key 'browser'; expected one of {', '.join(FIELDS)}",
    )


@pytest.mark.slow
def test_a_request_for_the_reasons_for_no_offer_is_answered_and_not_recorded() -> None:
    form = {"visitor": "v", "locations": [["mbox", "checkout"], ["view", "chekout"]], "parameters": ["membr"]}
    with LocalEdge() as edge:
        found = ask(edge, "POST", "/page/no-offer", form).json()
        assert edge.requests == []
    assert found["reasons"] == [
        "no activity has this mbox; it is a view",
        "no activity has this location; did you mean 'checkout'?",
    ]
    assert found["warnings"][0].startswith("no rule reads the parameter 'membr'")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (5, "form: expected an object, got 5"),
        ({"locations": 5}, "locations: expected a list, got 5"),
        ({"locations": [["mbox"]]}, "locations[0]: expected a kind and a name, got a list of 1 item"),
        ({"locations": [["mbox", 5]]}, "locations[0]: expected a non-empty string, got 5"),
        ({"parameters": [5]}, "parameters: expected a non-empty string, got 5"),
    ],
)
def test_an_invalid_request_for_the_reasons_is_refused(form: Any, message: str) -> None:
    with LocalEdge() as edge:
        answer = ask(edge, "POST", "/page/no-offer", form)
    assert (answer.status, json.loads(answer.body)["message"]) == (400, message)


def test_a_simulation_is_a_stream_of_reports() -> None:
    with LocalEdge() as edge:
        answer = ask(edge, "POST", "/page/split", {"location": "view checkout"})
    reports = [json.loads(line) for line in answer.body.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [report["done"] for report in reports] == list(range(0, VISITORS + 1, STEP))
    assert [location["name"] for location in reports[-1]["locations"]] == ["checkout"]


def test_two_simulations_run_at_once_and_end_with_their_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third simulation is refused until the others are cancelled. The edge answers other requests meanwhile."""
    monkeypatch.setattr(traffic, "VISITORS", 10**9)
    refusal = {"problem": f"{MAX_SIMULATIONS} simulations are already running"}
    with LocalEdge() as edge, contextlib.ExitStack() as running:
        for _ in range(MAX_SIMULATIONS):
            running.enter_context(contextlib.closing(simulation(edge)))
        assert ask(edge, "POST", "/page/split", {}).json() == refusal
        assert ask(edge, "GET", "/page/content").status == 200
        running.close()
        attempts: List[bool] = []  # remembers a success, because ``eventually`` calls its condition once more
        assert eventually(lambda: any(attempts) or attempts.append(can_start_simulation(edge)))


def simulation(edge: LocalEdge) -> http.client.HTTPResponse:
    """Start a simulation, read its first report, and return the open response."""
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=60)
    connection.request("POST", "/page/split", "{}")
    reports = connection.getresponse()
    connection.close()  # the response keeps the socket open
    assert "done" in json.loads(reports.readline())
    return reports


def can_start_simulation(edge: LocalEdge) -> bool:
    """Start a simulation and cancel it. Return whether it could start."""
    try:
        simulation(edge).close()
    except AssertionError:
        return False
    return True
