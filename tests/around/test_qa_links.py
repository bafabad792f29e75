"""QA links: their parameters become a QA mode, which the local edge applies."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, Iterator, List, Optional
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_python_sdk.decisioning import forced
from target_python_sdk.errors import OptionError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.overrides import ForcedVisitors
from target_python_sdk.qa_links import MAX_ITEMS, MAX_LINK, qa_link, qa_mode_of
from target_python_sdk.types import QAMode, QAModePreviewIndex, VisitorId
from tests.support import client_of

PAGE = "https://www.example.com/shop?colour=red#top"


def mode(**fields: Any) -> QAMode:
    indexes = fields.pop("indexes", None)
    if indexes is not None:
        fields["preview_indexes"] = [
            QAModePreviewIndex(activity_index=activity, experience_index=experience) for activity, experience in indexes
        ]
    return QAMode(**fields)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://example.com/?at_preview_token=abc", mode(token="abc")),
        ("at_preview_token=abc", mode(token="abc")),
        ("?at_preview_token=abc", mode(token="abc")),
        ("https://example.com/?a=b&at_preview_token=a%2Bb+c%3D#at_preview_token=x", mode(token="a+b+c=")),
        ("?at_preview_token=first&at_preview_token=second", mode(token="first")),
        ("?at_preview_token=abc&at_preview_index=1_2", mode(token="abc", indexes=[(1, 2)])),
        ("?at_preview_token=abc&at_preview_index=2,1_3", mode(token="abc", indexes=[(2, None), (1, 3)])),
        ("?at_preview_token=abc&at_preview_index=0_1,1_0,x,1_2_3,,-1,٣", mode(token="abc")),
        ("?at_preview_token=abc&at_preview_index=" + "9" * 5000, mode(token="abc")),
        (
            "?at_preview_token=abc&at_preview_listed_activities_only=true",
            mode(token="abc", listed_activities_only=True),
        ),
        (
            "?at_preview_token=abc&at_preview_listed_activities_only=yes",
            mode(token="abc", listed_activities_only=False),
        ),
        (
            "?at_preview_token=abc&at_preview_evaluate_as_true_audience_ids=12%2C34,x",
            mode(token="abc", evaluate_as_true_audience_ids=[12, 34]),
        ),
        ("https://example.com/", None),
        ("?at_preview_token=", None),
        ("?at_preview_token", None),
        ("?at_preview_index=1_2", None),
        ("?at_preview_token=a%20b", None),
        ("?at_preview_token=\ud800", None),
        ("?at_preview_token=%ED%A0%80", None),
        ("?at_preview_token=" + "a" * 1025, None),
        (" " * MAX_LINK + "?at_preview_token=abc", None),
        ("", None),
        (None, None),
        (b"?at_preview_token=abc", None),
    ],
)
def test_the_parameters_of_a_link_become_a_qa_mode(link: Any, expected: Optional[QAMode]) -> None:
    assert qa_mode_of(link) == expected


def test_long_lists_in_a_link_are_truncated() -> None:
    many = ",".join(map(str, range(1, MAX_ITEMS + 50)))
    found = qa_mode_of(f"?at_preview_token=a&at_preview_index={many}&at_preview_evaluate_as_true_audience_ids={many}")
    assert found is not None
    assert len(found.preview_indexes or ()) == len(found.evaluate_as_true_audience_ids or ()) == MAX_ITEMS


NAMES = ["token", "index", "listed_activities_only", "evaluate_as_true_audience_ids"]


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=50)), max_size=8), st.text(max_size=30))
def test_no_link_raises_an_error(parameters: Any, before: str) -> None:
    link = before + "?" + "&".join(f"at_preview_{name}={value}" for name, value in parameters)
    found = qa_mode_of(link)
    if found is not None:
        assert QAMode.from_dict(found.to_dict()) == found
        assert found.token is not None and found.token.isascii() and found.token.isprintable()


def test_qa_link_replaces_only_the_qa_parameters_of_a_link() -> None:
    first = qa_link(PAGE, mode(token="a+b=", indexes=[(1, 2), (3, None)], evaluate_as_true_audience_ids=[5, 6]))
    assert first.startswith("https://www.example.com/shop?colour=red&at_preview_token=a%2Bb%3D&at_preview_index=1_2,3&")
    assert first.endswith("&at_preview_evaluate_as_true_audience_ids=5,6#top")
    second = mode(token="c", listed_activities_only=False)
    assert qa_link(first, second) == (
        "https://www.example.com/shop?colour=red&at_preview_token=c&at_preview_listed_activities_only=false#top"
    )
    assert qa_mode_of(qa_link("/", second)) == second


# The local edge

GOLD = {"==": [{"var": "mbox.plan"}, "gold"]}
ACTIVITIES: Dict[str, Any] = {
    "activities": [
        {"id": 1, "name": "Banner", "locations": ["home", "other"], "experiences": [{"offer": {"html": "banner"}}]},
        {
            "id": 2,
            "name": "Greeting",
            "locations": ["hello", "remote"],
            "audience": GOLD,
            "remote": True,
            "experiences": [
                {"name": "A", "share": 99, "offer": {"html": "A"}},
                {"name": "B", "share": 1, "offer": {"html": "B"}},
            ],
        },
    ]
}
pytestmark = pytest.mark.server


@pytest.fixture
def edge() -> Iterator[LocalEdge]:
    with LocalEdge(ACTIVITIES) as running:
        yield running


def offers_on_page(
    edge: LocalEdge, link: Optional[str], method: str = "server-side", **more: Any
) -> List[Optional[str]]:
    """Return the HTML of the offers for ``hello``, ``home`` and ``other``, in this order."""
    names = ("hello", "home", "other")
    mboxes = [{"name": name, "parameters": more.get("parameters", {})} for name in names]
    request = {"execute": {"mboxes": mboxes}, "qa_mode": qa_mode_of(link), "id": {"tnt_id": "visitor-1.35_0"}}
    request.update(more.get("request", {}))
    options = {"decisioning_method": method, "artifact_payload": edge.rules, "polling_interval": 0}
    with client_of(edge, **(options if method != "server-side" else {})) as client:
        answer = client.get_offers({"request": request})
        assert answer.meta["decisioning_method"] == "server-side"
        return [answer.offer(name).html for name in names]


@pytest.mark.parametrize("method", ["server-side", "hybrid"])
@pytest.mark.parametrize("experience", ["A", "B", 1])
def test_a_qa_link_shows_an_experience_to_every_visitor(edge: LocalEdge, method: str, experience: Any) -> None:
    assert offers_on_page(edge, PAGE, method) == [None, "banner", "banner"]
    link = edge.qa_link(PAGE, "Greeting", experience)
    assert offers_on_page(edge, link, method)[0] == ("A" if experience == "A" else "B")


def test_a_qa_link_can_leave_the_audience_in_place(edge: LocalEdge) -> None:
    link = edge.qa_link(PAGE, 2, "B", any_audience=False)
    assert offers_on_page(edge, link) == [None, "banner", "banner"]
    assert offers_on_page(edge, link, parameters={"plan": "gold"}) == ["B", "banner", "banner"]


def test_without_an_experience_the_bucket_decides(edge: LocalEdge) -> None:
    assert offers_on_page(edge, edge.qa_link(PAGE, 2))[0] == "A"
    assert offers_on_page(edge, edge.qa_link(PAGE, 2, any_audience=False))[0] is None


def test_a_qa_link_can_exclude_other_activities(edge: LocalEdge) -> None:
    link = edge.qa_link(PAGE, "Greeting", "B", listed_activities_only=True)
    assert parse_qs(urlsplit(link).query)["at_preview_listed_activities_only"] == ["true"]
    assert offers_on_page(edge, link) == ["B", None, None]


def test_qa_mode_can_evaluate_an_audience_as_false(edge: LocalEdge) -> None:
    qa_mode = qa_mode_of(edge.qa_link(PAGE, "Greeting", "B"))
    assert qa_mode is not None
    qa_mode.evaluate_as_false_audience_ids = [2]
    assert offers_on_page(edge, None, request={"qa_mode": qa_mode})[0] is None


def test_displays_in_qa_mode_are_not_counted(edge: LocalEdge) -> None:
    offers_on_page(edge, edge.qa_link(PAGE, "Greeting", "B"))
    assert edge.displays == []
    offers_on_page(edge, None)
    assert [event.location for event in edge.displays] == ["home", "other"]


@pytest.mark.parametrize(
    "token", ["abc", "YQ==", "WyJxYSJd", "WyJxYSIsbnVsbF0=", "W1tb" * 900, "e30=", "a" * 5000, "é"]
)
def test_a_token_of_another_edge_has_no_effect(edge: LocalEdge, token: str, caplog: pytest.LogCaptureFixture) -> None:
    qa_mode = {"token": token, "listedActivitiesOnly": True, "previewIndexes": [{"activityIndex": 1}]}
    assert offers_on_page(edge, None, request={"qa_mode": qa_mode}) == [None, "banner", "banner"]
    assert "a QA mode token that is not from this edge" in caplog.text


@pytest.mark.parametrize(
    "index",
    [
        {"activityIndex": 9, "experienceIndex": 1},
        {"activityIndex": 1, "experienceIndex": 9},
        {"activityIndex": "1", "experienceIndex": 1},
        {"activityIndex": 1},
        {},
        None,
    ],
)
def test_an_index_that_selects_nothing_has_no_effect(edge: LocalEdge, index: Any) -> None:
    qa_mode = qa_mode_of(edge.qa_link(PAGE, "Banner", 0))
    assert qa_mode is not None
    document = {**qa_mode.to_dict(by_alias=True, exclude_none=True), "previewIndexes": [index]}
    assert offers_on_page(edge, None, request={"qa_mode": document}) == [None, "banner", "banner"]


def test_the_artifact_is_parsed_once_for_any_number_of_indexes(edge: LocalEdge) -> None:
    qa_mode = qa_mode_of(edge.qa_link(PAGE, "Greeting", "B"))
    assert qa_mode is not None
    qa_mode.preview_indexes = (qa_mode.preview_indexes or []) * 10
    with mock.patch.object(forced, "_activities", wraps=forced._activities) as parse:
        assert offers_on_page(edge, None, request={"qa_mode": qa_mode})[0] == "B"
    assert parse.call_count == 1


def test_the_answer_and_the_trace_give_qa_mode_as_the_reason(edge: LocalEdge) -> None:
    qa_mode = qa_mode_of(edge.qa_link(PAGE, "Greeting", "B"))
    request = {"execute": {"mboxes": [{"name": "hello"}]}, "qa_mode": qa_mode, "trace": {"authorization_token": "x"}}
    with client_of(edge) as client:
        offer = client.get_offers({"request": request}).offer("hello")
    assert offer.response_tokens["experience.reason"] == "shown in QA mode"
    (part,) = offer._parts
    assert part.trace["evaluatedCampaignTargets"][0]["reason"] == "shown in QA mode"


def test_a_qa_link_of_an_unknown_activity_is_an_error(edge: LocalEdge) -> None:
    with pytest.raises(OptionError) as raised:
        edge.qa_link(PAGE, "Greting")
    assert str(raised.value) == (
        "unknown activity 'Greting'; the artifact has 'Banner' (1), 'Greeting' (2); did you mean 'Greeting'?"
    )


# Forced visitors


def test_a_forced_visitor_gets_the_experience(edge: LocalEdge) -> None:
    edge.force("visitor-1", "Greeting", "B")
    assert offers_on_page(edge, None) == ["B", "banner", "banner"]
    assert offers_on_page(edge, None, "hybrid") == ["B", "banner", "banner"]
    assert offers_on_page(edge, None, request={"id": {"tnt_id": "visitor-2.35_0"}})[0] is None
    assert [event.experience for event in edge.displays if event.location == "hello"] == ["B", "B"]

    edge.clear_forced("visitor-2")
    assert offers_on_page(edge, None)[0] == "B"
    edge.clear_forced("visitor-1.28_0")
    assert offers_on_page(edge, None)[0] is None


@pytest.mark.parametrize(
    "identity",
    [
        {"third_party_id": "jane@doe.com"},
        {"marketing_cloud_visitor_id": "jane@doe.com"},
        {"tnt_id": "t.35_0", "customer_ids": [{"id": "jane@doe.com", "integration_code": "crm"}]},
    ],
)
def test_a_visitor_can_be_forced_by_each_kind_of_id(edge: LocalEdge, identity: Any) -> None:
    edge.force("jane@doe.com", 2, 0)
    identity = {"marketing_cloud_visitor_id": "1", **identity}  # customer ids are sent only with an Experience Cloud id
    assert offers_on_page(edge, None, request={"id": identity})[0] == "A"
    edge.clear_forced()
    assert offers_on_page(edge, None, request={"id": identity})[0] is None


def test_a_qa_link_takes_precedence_over_a_forced_experience(edge: LocalEdge) -> None:
    edge.force("visitor-1", "Greeting", "A")
    edge.force("visitor-1", "Greeting", "B")
    link = edge.qa_link(PAGE, "Greeting", "A", listed_activities_only=True)
    assert offers_on_page(edge, link) == ["A", None, None]
    assert offers_on_page(edge, None)[0] == "B"


def test_the_end_of_a_with_block_ends_a_forced_experience(edge: LocalEdge) -> None:
    with edge.force("visitor-1", "Greeting", "A"):
        with edge.force("visitor-1", "Greeting", "B"):
            assert offers_on_page(edge, None)[0] == "B"
        assert offers_on_page(edge, None)[0] == "A"
    assert offers_on_page(edge, None)[0] is None
    with edge.force("visitor-1", "Greeting", "A"):
        edge.force("visitor-1", "Greeting", "B")
    assert offers_on_page(edge, None)[0] == "B"


def test_the_last_forced_experience_of_an_activity_is_shown(edge: LocalEdge) -> None:
    edge.force("visitor-1", "Greeting", "A")
    edge.force("visitor-1", 2, "B")
    assert offers_on_page(edge, None)[0] == "B"
    edge.force("visitor-1", "Greeting", "A")
    assert offers_on_page(edge, None)[0] == "A"


def test_threads_can_force_experiences_of_one_visitor_at_once() -> None:
    activities = [{"id": number, "locations": [f"m{number}"], "experiences": [{}]} for number in range(40)]
    content = EdgeContent({"activities": activities}, organization_id="o")
    visitors = ForcedVisitors()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: visitors.add(content.artifact, "visitor-1", number, 0), range(40)))
    finally:
        sys.setswitchinterval(interval)
    assert sorted(visitors.of(VisitorId(tnt_id="visitor-1"))) == list(range(40))


def test_an_unknown_experience_is_an_error_and_a_removed_activity_has_no_effect(
    edge: LocalEdge, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(OptionError, match="unknown experience 'C'; activity 'Greeting'"):
        edge.force("visitor-1", "Greeting", "C")
    with pytest.raises(OptionError, match="visitor: expected a non-empty string"):
        edge.force("", "Greeting", "B")
    edge.force("visitor-1", "Greeting", "B")
    edge.force("visitor-1", "Banner", "A")
    edge.load({"activities": ACTIVITIES["activities"][:1]})
    assert offers_on_page(edge, None) == [None, "banner", "banner"]
    assert "A forced experience has no effect: unknown activity 'Greeting'" in caplog.text
