"""The activities file: how it is read, and that an error names the place in the file."""

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest

from target_python_sdk.local_edge import Offer, read_activities
from target_tools.errors import OptionError


def activity_document(**changes: Any) -> Dict[str, Any]:
    """Return a document with one activity. A change to None removes the key."""
    activity = {"id": 1, "locations": ["m"], "experiences": [{"name": "A", "share": 50, "offer": {"html": "a"}}]}
    activity.update(changes)
    return {"activities": [{key: value for key, value in activity.items() if value is not None}]}


def document_with_shares(*shares: Any) -> Dict[str, Any]:
    """Return a document with one activity and experiences with these shares."""
    return activity_document(experiences=[{} if share is None else {"share": share} for share in shares])


def ranges(document: Dict[str, Any]) -> List[str]:
    """Return the ranges of the first activity's experiences."""
    return [experience.range for experience in read_activities(document).activities[0].experiences]


def test_the_sample_has_the_mboxes_of_the_documentation() -> None:
    sample = read_activities()
    assert sample.client == "acmeclient"
    assert {"demo-engineering-flags", "a1-serverside-ab", "target-global-mbox"} <= {
        name for activity in sample.activities for name in activity.locations
    }
    assert [name for activity in sample.activities for name in activity.views] == ["checkout"]
    (flags,) = [activity for activity in sample.activities if "demo-engineering-flags" in activity.locations]
    assert flags.experiences[0].offer == Offer(
        "json", {"cdnHostname": "cdn.cloud.corp.net", "searchProviderId": 143, "hasLegacyAccess": False}
    )


def test_a_file_and_a_mapping_give_the_same_activities(tmp_path: Path) -> None:
    path = tmp_path / "activities.json"
    path.write_text("\ufeff" + json.dumps(activity_document()), encoding="utf-8")
    assert read_activities(path) == read_activities(str(path)) == read_activities(activity_document())


def test_shares_become_successive_ranges() -> None:
    assert ranges(document_with_shares(10, 25.5, 30)) == ["0 to 10", "10 to 35.5", "35.5 to 65.5"]


def test_without_shares_all_experiences_have_equal_ranges() -> None:
    assert ranges(document_with_shares(None, None, None)) == ["0 to 33.3333", "33.3333 to 66.6667", "66.6667 to 100"]
    assert read_activities(document_with_shares(*[None] * 7)).activities[0].experiences[-1].upper == 100


def test_rounding_errors_do_not_keep_shares_from_adding_up_to_100() -> None:
    assert ranges(document_with_shares(33.3, 33.3, 33.4))[-1] == "66.6 to 100"


def test_experiences_without_a_name_are_named_a_and_b() -> None:
    (activity,) = read_activities(document_with_shares(10, 10)).activities
    assert [experience.name for experience in activity.experiences] == ["A", "B"]


WRONG = [
    ([], "expected an object, got an empty list"),
    ({}, "missing key 'activities'"),
    ({"activities": {}}, "activities: expected a list, got an empty dict"),
    ({"activties": []}, "unknown key 'activties'; did you mean 'activities'?"),
    ({"activities": [], "client": ""}, "client: expected a non-empty string, got ''"),
    ({"activities": [7]}, "activities[0]: expected an object, got 7"),
    (activity_document(id="7"), "activities[0].id: expected an integer, got '7'"),
    (activity_document(id=None), "activities[0]: missing key 'id'"),
    (activity_document(experiences=None), "activities[0]: missing key 'experiences'"),
    (activity_document(locations=None), "activities[0]: expected at least one name in 'locations' or 'views'"),
    (activity_document(locations="m"), "activities[0].locations: expected a list, got 'm'"),
    (activity_document(locations=["m", None]), "activities[0].locations[1]: expected a non-empty string, got None"),
    (activity_document(experiences=[]), "activities[0].experiences: expected at least one experience"),
    (
        activity_document(xyzzy=1),
        "activities[0]: unknown key 'xyzzy'; expected one of id, "
        "name, locations, views, audience, property, remote, metrics, analytics, experiences",
    ),
    (activity_document(remote="yes"), "activities[0].remote: expected true or false, got 'yes'"),
    (activity_document(analytics=1), "activities[0].analytics: expected true or false, got 1"),
    (activity_document(property=""), "activities[0].property: expected a non-empty string, got ''"),
    (activity_document(metrics={}), "activities[0].metrics: expected a list, got an empty dict"),
    (activity_document(metrics=["click"]), "activities[0].metrics[0]: expected an object, got 'click'"),
    (
        activity_document(metrics=[{"type": "display"}]),
        "activities[0].metrics[0].type: expected 'click', got 'display'",
    ),
    (
        activity_document(metrics=[{"type": "click", "selector": ""}]),
        "metrics[0].selector: expected a non-empty string, got ''",
    ),
    (
        activity_document(metrics=[{"type": "click", "token": "t"}]),
        "activities[0].metrics[0]: unknown key 'token'; expected one of",
    ),
    (activity_document(audience={"method": []}), "activities[0].audience: "),
    (activity_document(audience="all"), "activities[0].audience: expected an object, got 'all'"),
    (
        activity_document(audience={"==": [{"var": "user.browsertype"}, "chrome"]}),
        "activities[0].audience.==[0].var: unknown attribute 'user.browsertype'; did you mean 'user.browserType'?",
    ),
    ({"activities": [], "geo": {"contry": "US"}}, "geo: unknown key 'contry'; did you mean 'countryCode'?"),
    ({"activities": [], "geo": {"city": 7}}, "geo.city: expected a non-empty string, got 7"),
    ({"activities": [], "geo": {"latitude": 100}}, "geo.latitude: expected a number between -90 and 90, got 100"),
    (document_with_shares(50, 120), "activities[0].experiences[1].share: expected a number between 0 and 100, got 120"),
    (
        document_with_shares(50, "50"),
        "activities[0].experiences[1].share: expected a number between 0 and 100, got '50'",
    ),
    (
        document_with_shares(float("nan")),
        "activities[0].experiences[0].share: expected a number between 0 and 100, got nan",
    ),
    (document_with_shares(True), "activities[0].experiences[0].share: expected a number between 0 and 100, got True"),
    (document_with_shares(60, 60), "activities[0].experiences: the shares add up to 120; at most 100 is possible"),
    (document_with_shares(60, None), "activities[0].experiences[1]: expected a 'share', because other experiences"),
    (
        activity_document(experiences=[{"shrae": 1}]),
        "activities[0].experiences[0]: unknown key 'shrae'; did you mean 'share'?",
    ),
    (
        activity_document(experiences=[{"name": "A"}, {"name": "A"}]),
        "activities[0].experiences[1].name: two experiences are named",
    ),
    (
        activity_document(experiences=[{"offer": {}}]),
        "activities[0].experiences[0].offer: expected exactly one of html, json",
    ),
    (
        activity_document(experiences=[{"offer": {"htlm": ""}}]),
        "experiences[0].offer: unknown key 'htlm'; did you mean 'html'?",
    ),
    (
        activity_document(experiences=[{"offer": {"html": 1}}]),
        "activities[0].experiences[0].offer.html: expected a non-empty string",
    ),
    (
        activity_document(experiences=[{"offer": {"json": 1}}]),
        "experiences[0].offer.json: expected an object or a list, got 1",
    ),
    (activity_document(experiences=[{"offer": {"actions": {}}}]), "experiences[0].offer.actions: expected a list"),
    ({"activities": activity_document()["activities"] * 2}, "activities[1].id: two activities have the id 1"),
]


@pytest.mark.parametrize(("document", "message"), WRONG, ids=[message for _, message in WRONG])
def test_an_error_names_the_place(document: Any, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_activities(document)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"activities": [\n}', "line 2, column 1: invalid JSON: "),
        (b'{"activities": [1,\n]}', "comma before"),
        (b'{"activities": [],\n}', "comma before"),
        (b'{"client": "\xff"}', "expected a file in UTF-8"),
        (b"[" * 100000, "expected JSON with less nesting"),
    ],
)
def test_an_error_names_a_file_that_is_not_json(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "activities.json"
    path.write_bytes(content)
    with pytest.raises(OptionError) as caught:
        read_activities(path)
    assert message in str(caught.value)
    assert "activities.json" in str(caught.value)


def test_an_error_names_the_file_and_the_place(tmp_path: Path) -> None:
    path = tmp_path / "activities.json"
    path.write_text(json.dumps(activity_document(locations="m")))
    with pytest.raises(OptionError, match=r"activities\.json: activities\[0\]\.locations: expected a list"):
        read_activities(path)


def test_an_error_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"nowhere\.json: No such file"):
        read_activities(tmp_path / "nowhere.json")
