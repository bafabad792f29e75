# ruff: noqa: E501 - the messages are exact
"""The command ``offers``."""

import json
import socket
from typing import Iterator

import pytest

from target_python_sdk.commands import offers
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.http_messages import Reply
from tests.commands.conftest import Run
from tests.commands.test_program import Terminal

pytestmark = pytest.mark.server
ACTIVITIES = {
    "activities": [
        {
            "id": 1,
            "name": "Gold\x1b[2J",
            "locations": ["hero"],
            "audience": {"==": [{"var": "mbox.member"}, "gold"]},
            "experiences": [{"name": "A", "offer": {"html": "<b>Hello</b>" * 10}}],
        },
        {"id": 2, "locations": ["shop"], "property": "p1", "experiences": [{"offer": {"json": {"a": [1]}}}]},
        {"id": 3, "views": ["checkout"], "experiences": [{}]},
        {
            "id": 4,
            "locations": ["target-global-mbox"],
            "audience": {
                "and": [
                    {"==": [{"var": "page.path"}, "/shoes"]},
                    {"==": [{"var": "referring.domain"}, "example.org"]},
                    {"==": [{"var": "user.browserType"}, "firefox"]},
                    {"==": [{"var": "geo.city"}, "PARIS"]},
                ]
            },
            "experiences": [{"offer": {"html": "shoes"}}],
        },
    ]
}


@pytest.fixture
def edge() -> Iterator[LocalEdge]:
    """A local edge with the activities."""
    with LocalEdge(ACTIVITIES) as edge:
        yield edge


def test_a_table_shows_every_location(run: Run, edge: LocalEdge) -> None:
    result = run(
        "offers", "hero", "shop", "--view", "checkout", "--page-load", "--edge", f"http://{edge.domain}/",
        "--visitor", "v", "--table", "--parameter", "member=gold",
    )  # fmt: skip
    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        "location activity experience type content",
        "page load - - - no offer: audience not met",
        f"mbox hero Gold\\x1b[2J A html {'<b>Hello</b>' * 4}<b>Hello</b…",
        "mbox shop - - - no offer: limited to another property",
        "view checkout Activity 3 A - default content",
    ]
    assert edge.displays == []


def test_names_that_the_edge_does_not_know_have_a_suggestion(run: Run, edge: LocalEdge) -> None:
    names = ["herro", "checkout", "--view", "chekout", "--view", "hero", "--page-load"]
    arguments = ["offers", *names, "--edge", f"http://{edge.domain}", "--url", "https://example.com/"]
    assert run(*arguments, "--table").lines[1:] == [
        "page load - - - no offer: audience not met",
        "mbox herro - - - no offer: no activity has this location; did you mean 'hero'?",
        "mbox checkout - - - no offer: no activity has this mbox; it is a view",
        "view chekout - - - no offer: no activity has this location; did you mean 'checkout'?",
        "view hero - - - no offer: no activity has this view; it is an mbox",
    ]
    offers = {each["name"]: each["reason"] for each in json.loads(run(*arguments, "--json").out)["offers"]}
    assert offers["chekout"] == "no activity has this location; did you mean 'checkout'?"
    assert len(offers) == 5
    assert len(edge.requests) == 2


def test_parameters_that_no_rule_reads_are_warnings(run: Run, edge: LocalEdge) -> None:
    result = run("offers", "hero", "--edge", f"http://{edge.domain}", "--parameter", "membr=gold")
    assert result.err == "warning: no rule reads the parameter 'membr'; did you mean 'member'?\n"
    assert run("offers", "hero", "--edge", f"http://{edge.domain}", "--parameter", "member=gold").err == ""


@pytest.mark.parametrize(("status", "body"), [(404, b"{}"), (200, b"[]"), (200, b"no JSON")])
def test_an_edge_that_is_not_a_local_edge_gives_no_reasons(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    other = Reply(status, body, {"Content-Type": "application/json"})
    monkeypatch.setattr("target_python_sdk.local_edge.page.routes.Page._serve_no_offer", lambda *_: other)
    with LocalEdge({"activities": []}) as edge:
        result = run("offers", "hero", "--edge", f"http://{edge.domain}", "--table")
    assert (result.code, result.err, result.lines[1]) == (0, "", "mbox hero - - - no offer")


def test_options_describe_the_page_and_the_browser(run: Run, edge: LocalEdge) -> None:
    result = run(
        "offers", "--page-load", "--edge", f"http://{edge.domain}", "--table",
        "--url", "https://example.com/shoes", "--referring-url", "https://example.org/",
        "--user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
        "--geo", "city=Paris", "--geo", "latitude=48.9",
    )  # fmt: skip
    assert result.lines[1:] == ["page load Activity 4 A html shoes"]


def test_json_has_the_offers_as_the_edge_sent_them(run: Run, edge: LocalEdge) -> None:
    result = run(
        "offers", "shop", "--edge", f"http://{edge.domain}", "--property", "p1",
        "--ecid", "e", "--third-party-id", "t", "--execute", "--client", "mine", "--organization-id", "O@AdobeOrg",
    )  # fmt: skip
    assert (result.code, result.err) == (0, "")
    document = json.loads(result.out)
    assert document["id"]["marketingCloudVisitorId"] == "e"
    (offer,) = document["offers"]
    assert (offer["name"], offer["activity"], offer["options"][0]["content"]) == ("shop", "Activity 2", {"a": [1]})
    (request,) = edge.requests
    assert request.query["imsOrgId"] == "O@AdobeOrg"
    assert "execute" in request.body
    assert "prefetch" not in request.body
    assert [event.location for event in edge.displays] == ["shop"]


def test_execute_with_views_prefetches_the_views(run: Run, edge: LocalEdge) -> None:
    assert run("offers", "shop", "--view", "checkout", "--execute", "--edge", f"http://{edge.domain}").code == 0
    body = edge.requests[0].body
    assert list(body["execute"]) == ["mboxes"]
    assert list(body["prefetch"]) == ["views"]


def test_a_terminal_gets_a_table(run: Run, edge: LocalEdge, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    offers_of_shop = ["offers", "shop", "--edge", f"http://{edge.domain}"]
    assert run(*offers_of_shop).code == 0
    assert terminal.screen_text().startswith("location")
    assert run(*offers_of_shop, "--json").code == 0
    assert '"offers": [' in terminal.screen_text()


def test_warnings_are_shown_if_the_call_succeeds(run: Run, edge: LocalEdge) -> None:
    result = run("offers", "shop", "--edge", f"http://{edge.domain}", "--organization-id", "1234567890")
    assert result.code == 0
    assert result.err.startswith("warning: ")
    assert "'--organization-id'" in result.err
    assert "@AdobeOrg" in result.err


def test_a_plain_http_edge_that_is_called_by_https_is_a_one_line_error(run: Run, edge: LocalEdge) -> None:
    result = run("offers", "hero", "--edge", f"https://{edge.domain}")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: no trusted TLS connection to https://{edge.domain}: ")
    assert "the server seems to expect plain HTTP, see the scheme in --edge (request " in result.err
    assert result.err.count("\n") == 1
    assert "\\n" not in result.err


def test_an_error_status_is_a_one_line_error(run: Run, edge: LocalEdge) -> None:
    edge.fail(503)
    result = run("offers", "hero", "--edge", f"http://{edge.domain}", "--timeout", 1000)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: HTTP status (503); Reason: Service Unavailable; ")
    assert result.err.count("\n") == 1
    assert "\\n" not in result.err


def test_an_edge_that_is_down_is_a_one_line_error(run: Run) -> None:
    with socket.socket() as closed_port:
        closed_port.bind(("127.0.0.1", 0))
        domain = f"127.0.0.1:{closed_port.getsockname()[1]}"
        result = run("offers", "hero", "--edge", f"http://{domain}", "--timeout", 2000)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: no connection to http://{domain}: ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hero"], "error: --client is required without --edge\n"),
        (["hero", "--client", "c"], "error: --organization-id is required without --edge\n"),
        (["--edge", "http://127.0.0.1:1"], "error: expected at least one MBOX, --view or --page-load\n"),
        (["hero", "--edge", "127.0.0.1:80"], "expected a URL such as http://127.0.0.1:8080, got '127.0.0.1:80'\n"),
        (["hero", "--edge", "http://127.0.0.1:99999"], "argument --edge: expected a URL such as http://127.0.0.1:8080, got 'http://127.0.0.1:99999'\n"),
        (["hero", "--edge", "http://[::1"], "argument --edge: expected a URL such as http://127.0.0.1:8080, got 'http://[::1'\n"),
        (["hero", "--client", ""], "argument --client: expected a value, got an empty string\n"),
        (["hero", "--visitor", ""], "argument --visitor: expected a value, got an empty string\n"),
        (["hero", "--client", "c", "--organization-id", "O@AdobeOrg", "--server-domain", "https://x"], "error: Invalid option '--server-domain': expected host or host:port, without scheme, path and user, got 'https://x'\n"),
        (["hero", "--parameter", "a"], "argument --parameter: expected NAME=VALUE, got 'a'\n"),
        (["hero", "--timeout", "0"], "argument --timeout: expected a number from 1 to 100000000, got '0'\n"),
        (["hero", "--edge", "http://127.0.0.1:1", "--geo", "town=a"], "error: geo: unknown key 'town'; expected one of latitude, longitude, countryCode, stateCode, city\n"),
        (["hero", "--edge", "http://127.0.0.1:1", "--geo", "latitude=a"], "error: geo.latitude: expected a number between -90 and 90, got 'a'\n"),
        (["hero", "--edge", "http://127.0.0.1:1", "--client", "a/b"], "got 'a/b'\n"),
    ],
)  # fmt: skip
def test_wrong_usage_is_an_error(run: Run, arguments: "list[str]", message: str) -> None:
    result = run("offers", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.endswith(message)


def test_a_server_domain_is_requested_by_https(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    with socket.socket() as closed_port:
        closed_port.bind(("127.0.0.1", 0))
        domain = f"127.0.0.1:{closed_port.getsockname()[1]}"
        result = run("offers", "a", "--server-domain", domain, "--client", "c", "--organization-id", "O@AdobeOrg")
    assert result.code == 1
    assert f"https://{domain}" in result.err


def test_the_examples_name_the_default_client() -> None:
    assert f"--client {offers.EXAMPLE_CLIENT} --organization-id {offers.EXAMPLE_ORGANIZATION}" in offers.EXAMPLES
