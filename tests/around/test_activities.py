"""The file of activities: what a person writes is understood, and what is wrong is named with its place."""

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest

from target_python_sdk.local_edge import Offer, read_activities
from target_tools.errors import OptionError


def one(**changes: Any) -> Dict[str, Any]:
    """A file of one activity, with these changes to it; None leaves a key out."""
    activity = {"id": 1, "locations": ["m"], "experiences": [{"name": "A", "share": 50, "offer": {"html": "a"}}]}
    activity.update(changes)
    return {"activities": [{key: value for key, value in activity.items() if value is not None}]}


def shares(*given: Any) -> Dict[str, Any]:
    """A file of one activity with experiences of these shares."""
    return one(experiences=[{} if share is None else {"share": share} for share in given])


def ranges(document: Dict[str, Any]) -> List[str]:
    """The shares of the first activity, as they are read."""
    return [experience.range for experience in read_activities(document).activities[0].experiences]


def test_the_sample_serves_what_the_documentation_shows() -> None:
    sample = read_activities()
    assert sample.client == "acmeclient"
    assert {"demo-engineering-flags", "a1-serverside-ab", "target-global-mbox"} <= set(sample.locations)
    assert sample.views == ["checkout"]
    (flags,) = sample.at_location("demo-engineering-flags")
    assert flags.experiences[0].offer == Offer(
        "json", {"cdnHostname": "cdn.cloud.corp.net", "searchProviderId": 143, "hasLegacyAccess": False}
    )


def test_a_file_is_read_as_a_mapping_is(tmp_path: Path) -> None:
    path = tmp_path / "activities.json"
    path.write_text("\ufeff" + json.dumps(one()), encoding="utf-8")
    assert read_activities(path) == read_activities(str(path)) == read_activities(one())


def test_shares_follow_one_another() -> None:
    assert ranges(shares(10, 25.5, 30)) == ["0 to 10", "10 to 35.5", "35.5 to 65.5"]


def test_without_shares_everybody_is_divided_evenly() -> None:
    assert ranges(shares(None, None, None)) == ["0 to 33.3333", "33.3333 to 66.6667", "66.6667 to 100"]
    assert read_activities(shares(*[None] * 7)).activities[0].experiences[-1].upper == 100


def test_shares_that_only_floating_point_keeps_from_100_do_add_up() -> None:
    assert ranges(shares(33.3, 33.3, 33.4))[-1] == "66.6 to 100"


def test_experiences_without_a_name_are_lettered() -> None:
    assert [experience.name for experience in read_activities(shares(10, 10)).activities[0].experiences] == ["A", "B"]


WRONG = [
    ([], "an object was expected, not a list"),
    ({}, "the key 'activities' was expected"),
    ({"activities": {}}, "activities: a list was expected, not an object"),
    ({"activties": []}, "activties: 'activities' was expected, not this unknown key"),
    ({"activities": [], "client": ""}, "client: a text that is not empty was expected, not ''"),
    ({"activities": [7]}, "activities[0]: an object was expected, not 7"),
    (one(id="7"), "activities[0].id: a whole number was expected, not 7"),
    (one(id=None), "activities[0]: the key 'id' was expected"),
    (one(experiences=None), "activities[0]: the key 'experiences' was expected"),
    (one(locations=None), "activities[0]: at least one name in 'locations' or 'views' was expected"),
    (one(locations="m"), "activities[0].locations: a list was expected, not 'm'"),
    (one(locations=["m", None]), "activities[0].locations[1]: a text that is not empty was expected, not null"),
    (one(experiences=[]), "activities[0].experiences: at least one experience was expected"),
    (one(xyzzy=1), "activities[0].xyzzy: one of id, name, locations, views, audience, property, remote, experiences"),
    (one(remote="yes"), "activities[0].remote: true or false was expected, not 'yes'"),
    (one(property=""), "activities[0].property: a text that is not empty was expected, not ''"),
    (one(audience={"method": []}), "activities[0].audience: a JSON-logic condition was expected, not "),
    (one(audience="all"), "activities[0].audience: an object was expected, not 'all'"),
    ({"activities": [], "geo": {"contry": "US"}}, "geo.contry: 'countryCode' was expected, not this unknown key"),
    ({"activities": [], "geo": {"city": 7}}, "geo.city: a text that is not empty was expected, not 7"),
    ({"activities": [], "geo": {"latitude": 100}}, "geo.latitude: a number from -90 to 90 was expected, not 100"),
    (shares(50, 120), "activities[0].experiences[1].share: a number from 0 to 100 was expected, not 120"),
    (shares(50, "50"), "activities[0].experiences[1].share: a number from 0 to 100 was expected, not '50'"),
    (shares(float("nan")), "activities[0].experiences[0].share: a number from 0 to 100 was expected, not nan"),
    (shares(True), "activities[0].experiences[0].share: a number from 0 to 100 was expected, not true"),
    (shares(60, 60), "activities[0].experiences: a sum of shares of 100 or less was expected, not 120"),
    (shares(60, None), "activities[0].experiences[1]: a 'share', since other experiences"),
    (one(experiences=[{"shrae": 1}]), "activities[0].experiences[0].shrae: 'share' was expected, not this unknown key"),
    (one(experiences=[{"name": "A"}, {"name": "A"}]), "activities[0].experiences[1].name: another value than that of"),
    (one(experiences=[{"offer": {}}]), "activities[0].experiences[0].offer: exactly one of html, json"),
    (
        one(experiences=[{"offer": {"htlm": ""}}]),
        "experiences[0].offer.htlm: 'html' was expected, not this unknown key",
    ),
    (one(experiences=[{"offer": {"html": 1}}]), "activities[0].experiences[0].offer.html: a text that is not empty"),
    (one(experiences=[{"offer": {"json": 1}}]), "experiences[0].offer.json: an object or a list was expected, not 1"),
    (one(experiences=[{"offer": {"actions": {}}}]), "experiences[0].offer.actions: a list was expected"),
    ({"activities": one()["activities"] * 2}, "activities[1].id: another value than that of activities[0]"),
]


@pytest.mark.parametrize(("document", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_named_with_its_place(document: Any, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_activities(document)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"activities": [\n}', "line 2, column 1: JSON was expected"),
        (b'{"client": "\xff"}', "a file in UTF-8 was expected"),
        (b"[" * 100000, "JSON that is not nested that deep was expected"),
    ],
)
def test_a_file_that_is_no_json_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "activities.json"
    path.write_bytes(content)
    with pytest.raises(OptionError) as caught:
        read_activities(path)
    assert message in str(caught.value)
    assert "activities.json" in str(caught.value)


def test_a_file_is_named_with_the_place_in_it(tmp_path: Path) -> None:
    path = tmp_path / "activities.json"
    path.write_text(json.dumps(one(locations="m")))
    with pytest.raises(OptionError, match=r"activities\.json: activities\[0\]\.locations: a list was expected"):
        read_activities(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"nowhere\.json: a readable file was expected, not No such file"):
        read_activities(tmp_path / "nowhere.json")
