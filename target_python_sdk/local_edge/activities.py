"""The activities of a local edge, read from a small JSON file.

::

    {"client": "acmeclient",
     "activities": [
       {"id": 1112,
        "name": "Two greetings",
        "locations": ["greeting"],
        "experiences": [
          {"name": "A", "share": 50, "offer": {"html": "<b>Hello</b>"}},
          {"name": "B", "share": 50, "offer": {"json": {"text": "Hello"}}}]}]}

``locations`` are mboxes (``target-global-mbox`` is the page load), and ``views`` are views of
a single-page application. Visitors outside the shares get no offer. Without any
``share``, all experiences get an equal part of the visitors. An experience without an
``offer`` shows the default content.

Optional keys of an activity:

* ``audience``: the JSON-logic condition that its visitors must match
* ``property``: the token of the only property in which it runs
* ``remote``: whether only the edge decides it
* ``metrics``: the clicks that it measures, such as ``[{"type": "click", "selector": "#buy"}]``; the selector is
  optional
* ``analytics``: whether answers contain payloads for client-side Analytics

The document can also contain ``geo``: the location of every visitor, with the keys of the API's ``context.geo``.
"""

import contextlib
import json
import pkgutil
import re
import shlex
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union
from urllib.parse import urlsplit

from target_python_sdk.decisioning.audience_check import check_audience
from target_python_sdk.local_edge.validation import (
    JsonValue,
    check_boolean,
    check_list,
    check_number,
    check_object,
    check_objects,
    check_text,
    error_at,
)
from target_python_sdk.types import MetricType
from target_tools.error_text import json_problem, shown
from target_tools.errors import InvalidRule, OptionError
from target_tools.rules.compiler import compile_condition

ACTIVITY_KEYS = (
    "id", "name", "locations", "views", "audience", "property", "remote", "metrics", "analytics", "experiences",
)  # fmt: skip
OFFER_TYPES = ("html", "json", "redirect", "dynamic", "actions")
GEO_KEYS = ("latitude", "longitude", "countryCode", "stateCode", "city")
_SAMPLE = "sample.json"
#: The path of the artifact at a local edge. The edge accepts any client code instead of ``acmeclient``.
_ARTIFACT_PATH = "/acmeclient/production/v1/rules.json"
_GEO_LIMITS = {"latitude": 90.0, "longitude": 180.0}

ActivitiesSource = Union[None, str, Path, Mapping[str, Any]]


class Offer(NamedTuple):
    """The offer of an experience: ``type`` is an option type of the API."""

    type: str
    content: Any


class Experience(NamedTuple):
    """One experience of an activity, for buckets above ``lower`` and up to ``upper``.

    Bucket 0 gets the first experience.
    """

    name: str
    lower: float
    upper: float
    offer: Optional[Offer]

    @property
    def range(self) -> str:
        """The share as text: ``0 to 50``."""
        return f"{self.lower:g} to {self.upper:g}"


class Activity(NamedTuple):
    """One activity: its locations, audience and experiences."""

    id: int
    name: str
    locations: Tuple[str, ...]
    views: Tuple[str, ...]
    experiences: Tuple[Experience, ...]
    #: The JSON-logic condition that visitors must match. None matches every visitor.
    audience: JsonValue = None
    #: The token of the only property it runs in. None means every property.
    property_token: Optional[str] = None
    #: Whether only the edge decides it.
    is_remote: bool = False
    #: The clicks that it measures, with the keys of the API's metrics.
    metrics: Tuple[Mapping[str, str], ...] = ()
    #: Whether its offers and clicks have payloads for client-side Analytics.
    has_analytics: bool = False


class Activities(NamedTuple):
    """The activities of a client, in order of priority; ``geo`` is the location of every visitor."""

    client: str
    activities: Tuple[Activity, ...]
    geo: Mapping[str, Any] = MappingProxyType({})


def read_activities(source: ActivitiesSource = None) -> Activities:
    """Read activities from a mapping or from a JSON file; without a source, return the built-in sample.

    Raises ``OptionError``, which names the place in the document.
    """
    with open_document(source) as document:
        return parse_activities(document)


def _sample() -> str:
    """Return the text of the built-in sample. The package may be inside a zip archive."""
    return (pkgutil.get_data(__name__.rpartition(".")[0], _SAMPLE) or b"").decode("utf-8")


def file_path(source: Union[str, Path]) -> Path:
    """Return the path of a file. For a URL, raises an ``OptionError`` that explains how to download the rules."""
    if not re.match("https?://", str(source)):
        return Path(source)
    url, advice = urlsplit(str(source)), "download it"
    if not url.path.strip("/"):
        url, advice = url._replace(path=_ARTIFACT_PATH), "pass the file that the edge serves, or download its rules"
    command = f"curl -fo rules.json {shlex.quote(url.geturl())}"
    raise OptionError(f"expected a file, got the URL {shown(str(source))}; {advice}: {command}", "source", "a file")


@contextlib.contextmanager
def open_document(source: ActivitiesSource = None) -> Iterator[Any]:
    """Provide the parsed JSON of a file or of the built-in sample. A mapping is provided as it is.

    The name of the file is prepended to the text of an ``OptionError`` that is raised in the block.
    """
    if source is not None and not isinstance(source, (str, Path)):
        yield source
        return
    path = Path(_SAMPLE) if source is None else file_path(source)
    try:
        text = path.read_text("utf-8-sig") if source is not None else _sample()
        if not text.strip():
            raise error_at(str(path), "JSON", problem="the file is empty")
        document = json.loads(text)
    except UnicodeDecodeError as error:
        raise error_at(str(path), "a file in UTF-8") from error
    except RecursionError as error:
        raise error_at(str(path), "JSON with less nesting") from error
    except OSError as error:
        raise error_at(str(path), "a readable file", problem=error.strerror or str(error)) from error
    except json.JSONDecodeError as error:
        place = f"{path}, line {error.lineno}, column {error.colno}"
        raise error_at(place, "JSON", problem=json_problem(error)) from error
    except ValueError as error:  # Python refuses integers with thousands of digits
        raise error_at(str(path), "JSON with shorter numbers") from error
    try:
        yield document
    except OptionError as error:
        raise OptionError(f"{path}: {error}", error.option, error.expected) from None


def parse_activities(document: JsonValue) -> Activities:
    """Validate a document and return its activities. Raises ``OptionError``."""
    document = check_object(document, "", ("client", "geo", "activities"), required=("activities",))
    values = check_list(document["activities"], "activities")
    activities = tuple(_activity(value, f"activities[{index}]") for index, value in enumerate(values))
    _check_unique([activity.id for activity in activities], "activities", "id", "two activities have the id")
    client = check_text(document.get("client", "acmeclient"), "client")
    return Activities(client, activities, parse_geo(document.get("geo")))


def parse_geo(value: JsonValue) -> Dict[str, Any]:
    """Validate and return a location as a dict with the keys of ``context.geo``; None becomes ``{}``.

    Raises ``OptionError``.
    """
    if value is None:
        return {}
    geo = check_object(value, "geo", GEO_KEYS)
    for key, item in geo.items():
        if key in _GEO_LIMITS:
            check_number(item, f"geo.{key}", -_GEO_LIMITS[key], _GEO_LIMITS[key])
        else:
            check_text(item, f"geo.{key}")
    return geo


def _activity(value: JsonValue, place: str) -> Activity:
    value = check_object(value, place, ACTIVITY_KEYS, required=("id", "experiences"))
    if not isinstance(value["id"], int) or isinstance(value["id"], bool):
        raise error_at(f"{place}.id", "an integer", value["id"])
    locations, views = _names(value, "locations", place), _names(value, "views", place)
    if not locations and not views:
        raise error_at(place, "at least one name in 'locations' or 'views'")
    metrics = check_objects(value.get("metrics"), f"{place}.metrics", ("type", "selector"))
    return Activity(
        value["id"],
        check_text(value.get("name", f"Activity {value['id']}"), f"{place}.name"),
        locations,
        views,
        _experiences(value["experiences"], f"{place}.experiences"),
        _audience(value.get("audience"), f"{place}.audience"),
        None if value.get("property") is None else check_text(value["property"], f"{place}.property"),
        check_boolean(value.get("remote", False), f"{place}.remote"),
        tuple(_metric(metric, at) for at, metric in metrics),
        check_boolean(value.get("analytics", False), f"{place}.analytics"),
    )


def _metric(metric: Mapping[str, Any], place: str) -> Mapping[str, str]:
    if metric.get("type") != MetricType.CLICK:
        raise error_at(f"{place}.type", "'click'", metric.get("type"))
    return {key: check_text(value, f"{place}.{key}") for key, value in metric.items()}


def _audience(condition: JsonValue, place: str) -> JsonValue:
    if condition is None or isinstance(condition, bool):
        return condition
    condition = check_object(condition, place)
    try:
        compile_condition(condition)
    except InvalidRule as error:
        raise error_at(place, "a JSON-logic condition", problem=str(error)) from error
    for finding in check_audience(condition, place):
        if finding.kind == "unknown attribute":
            raise error_at(finding.place, "an attribute of the visitor", problem=finding.problem)
    return condition


def _names(value: Mapping[str, Any], key: str, place: str) -> Tuple[str, ...]:
    names = check_list(value.get(key, []), f"{place}.{key}")
    return tuple(check_text(name, f"{place}.{key}[{index}]") for index, name in enumerate(names))


def _experiences(value: JsonValue, place: str) -> Tuple[Experience, ...]:
    entries = check_objects(value, place, ("name", "share", "offer"))
    if not entries:
        raise error_at(place, "at least one experience")
    names = [
        check_text(entry.get("name", _default_name(index)), f"{at}.name") for index, (at, entry) in enumerate(entries)
    ]
    _check_unique(names, place, "name", "two experiences are named")
    limits = _share_limits(entries, place)
    offers = [parse_offer(entry.get("offer"), f"{at}.offer") for at, entry in entries]
    return tuple(Experience(*parts) for parts in zip(names, limits, limits[1:], offers))


def _default_name(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"Experience {index + 1}"


def _share_limits(experiences: Sequence[Tuple[str, Mapping[str, Any]]], place: str) -> List[float]:
    """Return 0 and the upper limit of each experience's share."""
    shares = [check_number(each["share"], f"{at}.share", 0, 100) for at, each in experiences if "share" in each]
    without_share = [at for at, each in experiences if "share" not in each]
    if shares and without_share:
        raise error_at(without_share[0], "a 'share', because other experiences of this activity have one")
    equal_shares = [100 / len(experiences)] * len(experiences)
    # Rounded, so that 33.3, 33.3 and 33.4 add up to exactly 100.
    limits = [round(limit, 6) for limit in accumulate(shares or equal_shares, initial=0.0)]
    if limits[-1] > 100:
        problem = f"the shares add up to {limits[-1]:g}; at most 100 is possible"
        raise error_at(place, "a sum of shares of 100 or less", problem=problem)
    return limits


def parse_offer(value: JsonValue, place: str) -> Optional[Offer]:
    """Validate the offer of an experience. Raises ``OptionError``."""
    if value is None:
        return None
    value = check_object(value, place, OFFER_TYPES)
    if len(value) != 1:
        raise error_at(place, f"exactly one of {', '.join(OFFER_TYPES)}")
    ((kind, content),) = value.items()
    if kind == "actions":
        check_list(content, f"{place}.actions")
    elif kind != "json":
        check_text(content, f"{place}.{kind}")
    elif not isinstance(content, (dict, list)):
        raise error_at(f"{place}.json", "an object or a list", content)
    return Offer(kind, content)


def _check_unique(values: Sequence[object], place: str, key: str, problem: str) -> None:
    for index, value in enumerate(values):
        first = values.index(value)
        if first != index:
            text = f"{problem} {value!r}; the other one is {place}[{first}]"
            raise error_at(f"{place}[{index}].{key}", f"a different value than in {place}[{first}]", problem=text)
