"""Where on earth the local edge finds a visitor: one place, for every address."""

from typing import Any, Dict, Mapping, Optional

from target_python_sdk.local_edge.checks import checked_number, checked_object, checked_text

#: The names of the API's ``context.geo``, and those of the answer of ``/v1/geo``.
ANSWERED = {
    "latitude": "x-geo-latitude",
    "longitude": "x-geo-longitude",
    "countryCode": "x-geo-country-code",
    "stateCode": "x-geo-region-code",
    "city": "x-geo-city",
}
_LIMITS = {"latitude": 90.0, "longitude": 180.0}


def read_geo(value: Any, place: str = "geo") -> Dict[str, Any]:
    """A place in the names of ``context.geo``; empty for None.  Raises ``OptionError``."""
    if value is None:
        return {}
    found = checked_object(value, place, tuple(ANSWERED))
    for key, part in found.items():
        if key in _LIMITS:
            checked_number(part, "{}.{}".format(place, key), -_LIMITS[key], _LIMITS[key])
        else:
            checked_text(part, "{}.{}".format(place, key))
    return found


def geo_answer(geo: Mapping[str, Any], address: Optional[str]) -> Dict[str, Any]:
    """The answer of ``/v1/geo`` to a request that was forwarded for ``address``."""
    found = {ANSWERED[key]: value for key, value in geo.items()}
    return found if address is None else {**found, "x-forwarded-for": address}
