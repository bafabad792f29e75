"""Replace values that differ from run to run with placeholders.

=====================  ==========================================================
a UUID                 the place of its first occurrence, so that equal ones stay equal
supplemental data ids  as for a UUID: ``<data id of …>``
seconds of the epoch   the distance from the start of the scenario, rounded to minutes: ``<now+1860s>``
milliseconds           this distance in milliseconds: ``<now+0ms>``
the server's port      ``<server>``
the SDK's version      ``<version>``, in its header only
a memory address       ``0x…``
the edge's bucket      ``bucket <of the tntId>``, because the tntId is random
ISO times, HTTP dates  ``<now>`` within a minute of the start
day and time in rules  ``<now, a str>`` (or another type) if it is at most half a minute after the start
a measured time        ``<milliseconds>``, if it is a number
the edge's ``Server``  without the version of Python
Content-Length         ``<right>``, if it is a number: the server has read valid JSON with it
=====================  ==========================================================
"""

import datetime
import re
from typing import Any, Callable, Dict

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
DATA_ID = re.compile(r"[0-9A-F]{16}-[0-9A-F]{16}")
EPOCH = re.compile(r"(?<![\d.])(?:\d{13}|\d{10})(?![\d])")
BUCKET = re.compile(r"(?<=^bucket )\d+\.\d+(?= )")
SERVED_BY = re.compile(r"(?<=LocalEdge) Python/[\w.+]+")
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?=Z|\+00:00|$)")
HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
ADDRESS = re.compile(r"0x[0-9a-f]+")
#: A number counts as a time if it is at most ``PAST`` seconds before the start or ``FUTURE`` seconds after it.
#: ``FUTURE`` is more than two years, because a device id is valid for two years.
PAST, FUTURE = 3600, 64000000


def plain(value: Any, now: float, server: str) -> Any:
    """Return ``value`` with the placeholders."""
    seen: Dict[str, str] = {}

    def text(value: str, place: str) -> str:
        value = value.replace(server, "<server>") if server else value
        value = UUID.sub(lambda found: seen.setdefault(found.group(), f"<uuid of {place}>"), value)
        value = DATA_ID.sub(lambda found: seen.setdefault(found.group(), f"<data id of {place}>"), value)
        value = SERVED_BY.sub("", BUCKET.sub("<of the tntId>", value))
        value = ISO.sub(lambda found: _now_if_close(found.group(), now, "%Y-%m-%dT%H:%M:%S"), value)
        value = HTTP_DATE.sub(lambda found: _now_if_close(found.group(), now, "%a, %d %b %Y %H:%M:%S GMT"), value)
        return ADDRESS.sub("0x…", EPOCH.sub(lambda found: _time(int(found.group()), now), value))

    return _replace_in(value, "", text, now)


def _replace_in(value: Any, place: str, text: Callable[[str, str], str], now: float) -> Any:
    if isinstance(value, dict):
        return {
            text(key, place + "." + key): _header(key, value[key])
            if place.endswith(".headers") and key in PLAIN_HEADERS
            else _clock(key, value[key], now)
            if key in CLOCK
            else _replace_in(value[key], f"{place}.{key}".lstrip("."), text, now)
            for key in sorted(value)
        }
    if isinstance(value, list):
        return [_replace_in(each, f"{place}.{index}", text, now) for index, each in enumerate(value)]
    if isinstance(value, int) and not isinstance(value, bool) and len(str(value)) in (10, 13):
        moment = _time(value, now)
        return moment if moment != str(value) else value
    return text(value, place) if isinstance(value, str) else value


def _time(number: int, now: float) -> str:
    unit, seconds = ("ms", number / 1000) if number > 10**11 else ("s", number)
    if not -PAST <= seconds - now <= FUTURE:
        return str(number)
    minutes = round((seconds - now) / 60)
    return f"<now{minutes * 60 * (1000 if unit == 'ms' else 1):+d}{unit}>"


def _now_if_close(found: str, now: float, form: str) -> str:
    moment = datetime.datetime.strptime(found.partition(".")[0], form).replace(tzinfo=datetime.timezone.utc)
    return "<now>" if abs(moment.timestamp() - now) < 60 else found


#: The ``strftime`` formats of the clock values that rules see. ``execution``, a duration in telemetry, has no format.
CLOCK = {"current_time": "%H%M", "current_day": "%u", "execution": ""}


def _clock(key: str, value: Any, now: float) -> Any:
    if key == "execution":
        return "<milliseconds>" if isinstance(value, (int, float)) else value
    around = (datetime.datetime.fromtimestamp(now + seconds, datetime.timezone.utc) for seconds in (0, 30))
    return f"<now, a {type(value).__name__}>" if str(value) in [each.strftime(CLOCK[key]) for each in around] else value


PLAIN_HEADERS = {"content-length": re.compile(r"\d+"), "x-exc-sdk-version": re.compile(r"\d+\.\d+\.\d+\S*")}


def _header(name: str, value: str) -> str:
    known = PLAIN_HEADERS[name].fullmatch(value)
    return {"content-length": "<right>", "x-exc-sdk-version": "<version>"}[name] if known else value
