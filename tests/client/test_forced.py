"""The option ``force``: it names an activity and the experience that the call shows."""

import asyncio
import threading
from typing import Any, Dict, Iterator, List

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.forced import find_experiences, names_of
from target_python_sdk.errors import OptionError
from target_python_sdk.local_edge import LocalEdge
from tests.support import LONG, client_of, eventually, offers

pytestmark = pytest.mark.server

#: No visitor is in this audience, because no browser is named "none". "Two greetings" is shown only if it is forced.
NOBODY = {"==": [{"var": "mbox.browser"}, "none"]}
ACTIVITIES: Dict[str, Any] = {
    "activities": [
        {
            "id": 1,
            "name": "First",
            "locations": ["home", "other"],
            "experiences": [{"name": "A", "offer": {"html": "first"}}],
        },
        {
            "id": 2,
            "name": "Two greetings",
            "locations": ["home", "flags", "target-global-mbox"],
            "views": ["cart"],
            "audience": NOBODY,
            "experiences": [
                {"name": "A", "share": 50, "offer": {"json": {"text": "A"}}},
                {"name": "B", "share": 1, "offer": {"json": {"text": "B"}}},
            ],
        },
        {"id": 3, "name": "Remote", "locations": ["remote"], "remote": True, "experiences": [{}]},
    ]
}


@pytest.fixture
def edge() -> Iterator[LocalEdge]:
    with LocalEdge(ACTIVITIES) as running:
        yield running


@pytest.fixture(params=["on-device", "hybrid"])
def client(edge: LocalEdge, request: pytest.FixtureRequest) -> Iterator[TargetClient]:
    options = {"artifact_payload": edge.rules, "polling_interval": 0, "decisioning_method": request.param}
    # Without a hint, a client requests one in the background.
    with client_of(edge, target_location_hint="35", **options) as made:
        yield made


FORCE_B: Dict[str, Any] = {"force": {"Two greetings": "B"}}


@pytest.mark.parametrize("activity", ["Two greetings", 2, "2"])
@pytest.mark.parametrize("experience", ["B", 1, "1"])
def test_a_forced_experience_is_shown_regardless_of_audience_and_bucket(
    client: TargetClient, edge: LocalEdge, activity: Any, experience: Any
) -> None:
    answer = client.get_offers({**offers("home"), "force": {activity: experience}})

    assert answer.offer("home").json == {"text": "B"}  # although the activity "First" has priority
    assert answer.meta["decisioning_method"] == "on-device"
    assert answer.meta["forced"] == {"Two greetings": "B"}
    unforced = client.get_offers(offers("home"))
    assert unforced.offer("home").html == "first"
    assert "forced" not in unforced.meta


def test_other_activities_are_decided_as_usual(client: TargetClient) -> None:
    request = {"execute": {"mboxes": [{"name": "home"}, {"name": "other"}, {"name": "flags"}]}}
    answer = client.get_offers({"request": request, "force": {"First": "A"}})
    assert [answer.offer(name).html for name in ("home", "other")] == ["first", "first"]
    assert not answer.offer("flags")


def test_the_forced_experience_is_shown_in_page_loads_and_views(client: TargetClient) -> None:
    request = {"prefetch": {"pageLoad": {}, "views": [{"name": "cart"}, {}]}}
    answer = client.get_offers({"request": request, **FORCE_B})
    assert answer.page_load.json == {"text": "B"}
    assert answer.view("cart").json == {"text": "B"}


def test_all_forms_of_a_call_can_be_forced(client: TargetClient) -> None:
    answers: List[Any] = []
    result = client.get_offers({**offers("home"), **FORCE_B, "callback": answers.append})
    assert result.get(LONG / 1000).offer("home").json == {"text": "B"}
    assert answers[0].meta["forced"] == {"Two greetings": "B"}
    assert client.get_attributes(["flags"], FORCE_B).get_value("flags", "text") == "B"
    assert client.get_offers(**offers("home"), **FORCE_B).offer("home").json == {"text": "B"}

    async def call_async() -> List[Any]:
        answer = await client.get_offers_async({**offers("home"), **FORCE_B})
        attributes = await client.get_attributes_async(["flags"], FORCE_B)
        return [answer.offer("home").get("text"), attributes.get_value("flags", "text")]

    assert asyncio.run(call_async()) == ["B", "B"]


def test_forced_offers_are_not_reported_as_displayed_without_force_impressions(
    client: TargetClient, edge: LocalEdge
) -> None:
    request = {"execute": {"mboxes": [{"name": "home"}, {"name": "other"}]}}
    client.get_offers({"request": request, **FORCE_B})
    client.flush()
    assert [(event.location, event.activity) for event in edge.displays] == [("other", "First")]

    client.get_offers({"request": request, **FORCE_B, "force_impressions": True})
    client.flush()
    assert [(event.location, event.experience) for event in edge.displays[1:]] == [("home", "B"), ("other", "A")]


def test_a_forced_call_sends_only_the_notifications_of_its_request(client: TargetClient, edge: LocalEdge) -> None:
    before = len(edge.requests)
    offer = client.get_offers({"request": {"prefetch": {"mboxes": [{"name": "home"}]}}, **FORCE_B}).offer("home")
    client.get_offers({**offers("home"), **FORCE_B})
    client.flush()
    assert len(edge.requests) == before
    request = {"execute": {"mboxes": [{"name": "home"}]}, "notifications": [offer.display()]}
    client.get_offers({"request": request, **FORCE_B})
    client.flush()
    assert [event.experience for event in edge.displays] == ["B"]


def test_meta_names_the_remote_mboxes_of_a_forced_call(client: TargetClient) -> None:
    request = {"execute": {"mboxes": [{"name": "home"}, {"name": "remote"}]}}
    answer = client.get_offers({"request": request, **FORCE_B})
    assert answer.response.status == 206
    assert answer.meta["remote_mboxes"] == ["remote"]


EXPECTED = "expected the name or id of an activity, and of its experience: {'Two greetings': 'B'}"


@pytest.mark.parametrize(
    ("force", "message"),
    [
        (
            {"Two greting": "B"},
            "unknown activity 'Two greting'; the artifact has 'First' (1), 'Two greetings' (2); "
            "did you mean 'Two greetings'?",
        ),
        ({2: "C"}, "unknown experience 'C'; activity 'Two greetings' (2) has 'A' (0), 'B' (1)"),
        ({2: -1}, "unknown experience -1; activity 'Two greetings' (2) has 'A' (0), 'B' (1)"),
        ({"First": True}, f"{EXPECTED}, got True"),
        ({"": "A"}, f"{EXPECTED}, got ''"),
        ("B", f"{EXPECTED}, got 'B'"),
    ],
)
def test_an_unknown_name_is_an_error_before_the_call_is_queued(client: TargetClient, force: Any, message: str) -> None:
    with pytest.raises(OptionError) as raised:
        client.get_offers({**offers("home"), "force": force, "callback": pytest.fail})
    assert str(raised.value) == f"Invalid option 'force': {message}"
    assert raised.value.option == "force"


def test_a_call_that_waits_for_the_artifact_fails_if_the_name_is_unknown(edge: LocalEdge) -> None:
    """The artifact arrives only after the call was queued."""
    released = threading.Event()
    errors: List[BaseException] = []

    def delay_request(request: Any) -> Dict[str, str]:
        released.wait(LONG / 1000)
        return {}

    options = {"decisioning_method": "hybrid", "cdn_base_path": "http://" + edge.domain}
    with client_of(edge, **options, headers=delay_request) as client:
        call = {**offers("home"), "force": {9: 1}, "callback": pytest.fail, "err_callback": errors.append}
        result = client.get_offers(call)
        released.set()
        assert eventually(result.ready)
    (error,) = errors
    assert "unknown activity 9" in str(error)


def test_only_decisions_on_device_can_be_forced(edge: LocalEdge, client: TargetClient) -> None:
    problem = "only an on-device decision can be forced, and the decisioning_method of this call is 'server-side'"
    problem += "; use a QA link of Target, or qa_link or force of a local edge"
    with client_of(edge) as server_side, pytest.raises(OptionError, match=problem):
        server_side.get_offers({**offers("home"), **FORCE_B})
    with pytest.raises(OptionError, match=problem):
        client.get_offers({**offers("home"), **FORCE_B, "decisioning_method": "server-side"})
    with pytest.raises(OptionError, match="send_notifications makes no decisions"):
        client.send_notifications({"request": {"notifications": [{"id": "1"}]}, **FORCE_B})


def test_an_empty_option_forces_nothing(client: TargetClient) -> None:
    assert "forced" not in client.get_offers({**offers("home"), "force": {}}).meta


# Artifacts that do not come from activities


def artifact(*rules: Any) -> Artifact:
    return Artifact.compile({"version": "1.0.0", "rules": {"mboxes": {"home": list(rules)}}}, "acmeclient")


def test_an_experience_without_name_and_id_is_identified_by_its_position() -> None:
    anonymous = artifact({"activityId": 7.0}, {"activityId": 7}, {"activityId": 8, "meta": 7}, 7)
    (found,) = find_experiences(anonymous, {7: 1})
    assert (found.activity, found.experience) == ("7", "1")
    with pytest.raises(OptionError, match=r"unknown experience 2; activity 7 has 0, 1$"):
        find_experiences(anonymous, {7: 2})


def test_ids_and_names_of_the_wrong_type_are_ignored() -> None:
    meta: Dict[str, Any] = {"activity.name": [], "experience.id": [], "experience.name": {}}
    (found,) = find_experiences(artifact({"activityId": 7, "meta": meta}), {7: 0})
    assert (found.activity, found.experience) == ("7", "0")


def test_the_id_of_an_experience_takes_precedence_over_its_position() -> None:
    metas = [{"experience.id": 5, "experience.name": "A"}, {"experience.id": 0, "experience.name": "B"}]
    rules = artifact(*({"activityId": 7, "meta": meta} for meta in metas))
    assert [find_experiences(rules, {7: name})[0].experience for name in (5, 0, 1)] == ["A", "B", "B"]


def test_meta_adds_the_ids_of_activities_with_the_same_name() -> None:
    rules = artifact(*({"activityId": number, "meta": {"activity.name": "Same"}} for number in (7, 8)))
    assert names_of(find_experiences(rules, {7: 0, "8": 0})) == {"Same (7)": "0", "Same (8)": "0"}
    assert names_of(find_experiences(rules, {7: 0})) == {"Same": "0"}


def test_two_experiences_of_an_activity_are_an_error() -> None:
    rules = artifact({"activityId": 7, "meta": {"activity.name": "Two"}}, {"activityId": 7})
    with pytest.raises(OptionError, match=r"two experiences of activity 'Two' \(7\); expected one"):
        find_experiences(rules, {"Two": 0, 7: 1})
    assert len(find_experiences(rules, {"Two": 1, 7: 1})) == 1


def test_a_name_of_two_activities_is_ambiguous() -> None:
    rules = artifact(*({"activityId": number, "meta": {"activity.name": "Same"}} for number in (7, 8)))
    with pytest.raises(OptionError, match=r"2 activities have the name 'Same': 'Same' \(7\), 'Same' \(8\); use the id"):
        find_experiences(rules, {"Same": 0})


def test_the_error_about_an_unknown_activity_lists_twenty_activities_at_most() -> None:
    with pytest.raises(OptionError, match="the artifact has no activities"):
        find_experiences(artifact(), {7: 0})
    with pytest.raises(OptionError, match=r"18, 19 and 10 more$"):
        find_experiences(artifact(*({"activityId": number} for number in range(30))), {99: 0})
