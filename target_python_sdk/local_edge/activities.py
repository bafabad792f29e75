"""The activities a local edge serves: a small JSON file that a person can edit.

::

    {"client": "acmeclient",
     "activities": [
       {"id": 1112,
        "name": "Two greetings",
        "locations": ["greeting"],
        "experiences": [
          {"name": "A", "share": 50, "offer": {"html": "<b>Hello</b>"}},
          {"name": "B", "share": 50, "offer": {"json": {"text": "Hello"}}}]}]}

``locations`` are mboxes (``target-global-mbox`` is the page load), ``views`` those of
a single-page application.  Visitors outside the shares see no offer.  Without any
``share`` the experiences divide everybody evenly.  An experience without an ``offer``
is the default content.

An activity may have an ``audience``, the JSON-logic condition its visitors fulfil, a
``property``, the token of the only property it shows in, and be ``remote``: then the
edge alone decides it.  Beside the activities there may be a ``geo``: where on earth the
edge finds every visitor, in the words of the API's own ``context.geo``.
"""

import contextlib
import json
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Any, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from target_python_sdk.local_edge.checks import (
    checked_flag,
    checked_list,
    checked_number,
    checked_object,
    checked_text,
    wrong,
)
from target_python_sdk.local_edge.geo import read_geo
from target_tools.errors import InvalidRule, OptionError
from target_tools.rules.compiler import compile_condition

ACTIVITY_KEYS = ("id", "name", "locations", "views", "audience", "property", "remote", "experiences")
OFFER_TYPES = ("html", "json", "redirect", "dynamic", "actions")

ActivitiesSource = Union[None, str, Path, Mapping[str, Any]]


class Offer(NamedTuple):
    """What a visitor is shown: ``type`` is an option type of the API, ``content`` its content."""

    type: str
    content: Any


class Experience(NamedTuple):
    """One arm of an activity, for the buckets above ``lower`` up to and including ``upper``; 0 is in the first."""

    name: str
    lower: float
    upper: float
    offer: Optional[Offer]

    @property
    def range(self) -> str:
        """The share as it is read: ``0 to 50``."""
        return "{:g} to {:g}".format(self.lower, self.upper)


class Activity(NamedTuple):
    """One activity: where it shows, and who sees what."""

    id: int
    name: str
    locations: Tuple[str, ...]
    views: Tuple[str, ...]
    experiences: Tuple[Experience, ...]
    #: The JSON-logic condition its visitors fulfil; None is everybody.
    audience: Any = None
    #: The token of the only property it shows in; None is every property.
    property_token: Optional[str] = None
    #: Whether the edge alone decides it.
    is_remote: bool = False


class Activities(NamedTuple):
    """A client's activities, in order of priority; ``geo`` is where the edge finds every visitor."""

    client: str
    activities: Tuple[Activity, ...]
    geo: Mapping[str, Any] = MappingProxyType({})

    def at_location(self, name: str) -> List[Activity]:
        """The activities that may show in the mbox of that name."""
        return [activity for activity in self.activities if name in activity.locations]

    def at_view(self, name: str) -> List[Activity]:
        """The activities that may show in the view of that name."""
        return [activity for activity in self.activities if name in activity.views]

    @property
    def locations(self) -> List[str]:
        """The mboxes that any activity shows in, without repetition."""
        return list(dict.fromkeys(name for activity in self.activities for name in activity.locations))

    @property
    def views(self) -> List[str]:
        """The views that any activity shows in, without repetition."""
        return list(dict.fromkeys(name for activity in self.activities for name in activity.views))


def read_activities(source: ActivitiesSource = None) -> Activities:
    """The activities in ``source``: a mapping, the path of a JSON file, or the built-in sample.

    Raises ``OptionError``, which names the place, for what cannot be used.
    """
    document = read_document(source)
    with named_by(source):
        return activities_of(document)


@contextlib.contextmanager
def named_by(source: ActivitiesSource) -> Iterator[None]:
    """Puts the name of the file in front of an ``OptionError`` of the block."""
    try:
        yield
    except OptionError as error:
        if not isinstance(source, (str, Path)):
            raise
        raise OptionError("{}: {}".format(source, error), error.option, error.expected) from None


def read_document(source: ActivitiesSource = None) -> Any:
    """What JSON holds in ``source``: a mapping as it is, the content of a file, or the built-in sample."""
    if source is not None and not isinstance(source, (str, Path)):
        return source
    path = Path(__file__).with_name("sample.json") if source is None else Path(source)
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise wrong(str(path), "a file in UTF-8") from error
    except RecursionError as error:
        raise wrong(str(path), "JSON that is not nested that deep") from error
    except OSError as error:
        raise wrong(str(path), "a readable file", error.strerror or str(error)) from error
    except json.JSONDecodeError as error:
        place = "{}, line {}, column {}".format(path, error.lineno, error.colno)
        raise wrong(place, "JSON", error.msg) from error


def activities_of(document: Any) -> Activities:
    """The activities in a document.  Raises ``OptionError``, which names the place."""
    document = checked_object(document, "", ("client", "geo", "activities"), required=("activities",))
    found = checked_list(document["activities"], "activities")
    read = tuple(_activity(item, "activities[{}]".format(at)) for at, item in enumerate(found))
    _distinct([activity.id for activity in read], "activities", "id")
    client = checked_text(document.get("client", "acmeclient"), "client")
    return Activities(client, read, read_geo(document.get("geo")))


def _activity(value: Any, place: str) -> Activity:
    value = checked_object(value, place, ACTIVITY_KEYS, required=("id", "experiences"))
    if not isinstance(value["id"], int) or isinstance(value["id"], bool):
        raise wrong(place + ".id", "a whole number", value["id"])
    locations, views = _names(value, "locations", place), _names(value, "views", place)
    if not locations and not views:
        raise wrong(place, "at least one name in 'locations' or 'views'")
    name = checked_text(value.get("name", "Activity {}".format(value["id"])), place + ".name")
    return Activity(
        value["id"],
        name,
        locations,
        views,
        _experiences(value["experiences"], place + ".experiences"),
        _audience(value.get("audience"), place + ".audience"),
        None if value.get("property") is None else checked_text(value["property"], place + ".property"),
        checked_flag(value.get("remote", False), place + ".remote"),
    )


def _audience(condition: Any, place: str) -> Any:
    if condition is None or isinstance(condition, bool):
        return condition
    condition = checked_object(condition, place)
    try:
        compile_condition(condition)
    except InvalidRule as error:
        raise wrong(place, "a JSON-logic condition", error) from error
    return condition


def _names(value: Mapping[str, Any], key: str, place: str) -> Tuple[str, ...]:
    found = checked_list(value.get(key, []), "{}.{}".format(place, key))
    return tuple(checked_text(name, "{}.{}[{}]".format(place, key, at)) for at, name in enumerate(found))


def _experiences(value: Any, place: str) -> Tuple[Experience, ...]:
    found = checked_list(value, place)
    if not found:
        raise wrong(place, "at least one experience")
    places = ["{}[{}]".format(place, at) for at in range(len(found))]
    read = [checked_object(item, at, ("name", "share", "offer")) for item, at in zip(found, places)]
    names = [checked_text(item.get("name", _letter(at)), places[at] + ".name") for at, item in enumerate(read)]
    _distinct(names, place, "name")
    limits = _limits(_shares(read, places), place)
    offers = [_offer(item.get("offer"), at + ".offer") for item, at in zip(read, places)]
    return tuple(Experience(*parts) for parts in zip(names, limits, limits[1:], offers))


def _letter(position: int) -> str:
    return chr(ord("A") + position) if position < 26 else "Experience {}".format(position + 1)


def _shares(experiences: Sequence[Mapping[str, Any]], places: Sequence[str]) -> List[float]:
    if not any("share" in experience for experience in experiences):
        return [100 / len(experiences)] * len(experiences)
    shares = []
    for experience, place in zip(experiences, places):
        if "share" not in experience:
            raise wrong(place, "a 'share', since other experiences of this activity have one")
        shares.append(checked_number(experience["share"], place + ".share", 0, 100))
    return shares


def _limits(shares: Sequence[float], place: str) -> List[float]:
    # Rounded, so that three shares of 33.3, 33.3 and 33.4 end at 100 and not a hair before it.
    limits = [0.0, *(round(limit, 6) for limit in accumulate(shares))]
    if limits[-1] > 100:
        raise wrong(place, "a sum of shares of 100 or less", "{:g}".format(limits[-1]))
    return limits


def _offer(value: Any, place: str) -> Optional[Offer]:
    if value is None:
        return None
    value = checked_object(value, place, OFFER_TYPES)
    if len(value) != 1:
        raise wrong(place, "exactly one of " + ", ".join(OFFER_TYPES), ", ".join(value) or "nothing")
    ((kind, content),) = value.items()
    if kind == "actions":
        checked_list(content, "{}.actions".format(place))
    elif kind == "json":
        if not isinstance(content, (dict, list)):
            raise wrong(place + ".json", "an object or a list", content)
    else:
        checked_text(content, "{}.{}".format(place, kind))
    return Offer(kind, content)


def _distinct(values: Sequence[object], place: str, key: str) -> None:
    for at, value in enumerate(values):
        first = values.index(value)
        if first != at:
            expected = "another value than that of {}[{}]".format(place, first)
            raise wrong("{}[{}].{}".format(place, at, key), expected, value)
