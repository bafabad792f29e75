"""Finds mistakes in audiences that no engine reports, because the conditions are valid JSON-logic.

::

    >>> for finding in check_audience({"==": [{"var": "user.browsertype"}, "Chrome"]}, "activities[0].audience"):
    ...     print(finding)
    activities[0].audience.==[0]: unknown attribute 'user.browsertype'; did you mean 'user.browserType'?

A finding applies to all visitors whose page has an ordinary URL with a host. Each comparison is checked by itself.
"""

import re
from typing import Callable, Dict, Iterator, Mapping, NamedTuple, Optional, Sequence, Tuple

from target_python_sdk.decisioning.context import LocationContext, PageVariables, RequestContext, UserVariables
from target_tools.client_info import BROWSERS, PLATFORMS
from target_tools.error_text import shown, suggestion
from target_tools.page_url import PageUrl
from target_tools.rules.compiler import MAX_DEPTH
from target_tools.rules.fast_paths import SWAPPED_COMPARISONS, constant_variable_name
from target_tools.rules.javascript import greater_or_equal, greater_than, less_or_equal, less_than, to_number
from target_tools.rules.loop_operators import LOOP_OPERATORS
from target_tools.typing_compat import Json, Literal

#: The kinds of mistakes that ``check_audience`` finds.
Kind = Literal["unknown attribute", "impossible value", "not an operation", "constants"]
#: Yields the place and the problem of each mistake.
_Problems = Iterator[Tuple[str, str]]


class Finding(NamedTuple):
    """A mistake in a document."""

    #: The place in the document, such as ``activities[0].audience.==[1]``, or the line and column. It can be empty.
    place: str
    #: The mistake, with a suggestion if there is a likely one.
    problem: str
    #: None for mistakes that ``check_audience`` does not look for.
    kind: Optional[Kind] = None

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}" if self.place else self.problem


def check_audience(condition: Json, place: str = "audience") -> Iterator[Finding]:
    """Yield the mistakes in a JSON-logic condition, in the order in which they appear.

    :param place: The place of the condition in its document.
    """
    yield from _check(condition, place, 0)


# The attributes

_GROUPS: Mapping[str, Sequence[str]] = {
    "user": tuple(UserVariables.getters),
    "page": tuple(PageVariables.getters),
    "referring": tuple(PageVariables.getters),
    "geo": ("country", "region", "city", "latitude", "longitude"),
}
#: The attributes that conditions can read, apart from the parameters in ``mbox``.
ATTRIBUTES: Tuple[str, ...] = (
    *(f"{group}.{name}" for group, names in _GROUPS.items() for name in names),
    *(name for name in LocationContext.getters if name not in {*_GROUPS, "mbox", *RequestContext.internal}),
)
#: Names that other parts of Target use, and the attributes that they mean. ``suggestion`` would not find these.
_OTHER_NAMES = {"geo.stateCode": "geo.region", "geo.state": "geo.region", "user.os": "user.platform"}
#: Names that applications may use by mistake for ``mbox``, the group of the parameters.
_PARAMETER_GROUPS = frozenset({"mboxParameters", "param", "parameter", "parameters", "params"})


def _attribute_problem(name: str) -> str:
    """Return the problem with the name of a variable, or an empty string."""
    group, dot, rest = name.partition(".")
    if not name or name in ATTRIBUTES or group == "mbox" or name in _GROUPS:
        return ""
    if group in _PARAMETER_GROUPS and rest:
        hint = f"; did you mean 'mbox.{rest}'?"
    elif group == "profile":
        hint = "; only Adobe's edge knows the visitor's profile"
    else:
        hint = _suggested_attribute(name) or f"; expected {_choice(_known_attributes(group, bool(dot)))}"
    return f"unknown attribute {shown(name)}{hint}"


def _known_attributes(group: str, has_group: bool) -> Sequence[str]:
    """Return the attributes of ``group``. If it is unknown, return all groups, and the attributes without a group."""
    if has_group and group in _GROUPS:
        return [f"{group}.{name}" for name in _GROUPS[group]]
    return [name for name in LocationContext.getters if name not in RequestContext.internal]


def _suggested_attribute(name: str) -> str:
    folded = name.lower()
    same = [each for each in ATTRIBUTES if folded in (each.lower(), each.rpartition(".")[2].lower())]
    found = _OTHER_NAMES.get(name) or next(iter(same), None)
    if found is not None:
        return _did_you_mean(found)
    group, _, rest = name.partition(".")
    if group in _GROUPS and not suggestion(rest, _GROUPS[group]):
        return ""  # the names are similar only because of the group
    return suggestion(name, ATTRIBUTES)


def _did_you_mean(text: str) -> str:
    return f"; did you mean {text!r}?"


def _choice(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"one of {', '.join(names)}"


# The conditions

_EQUALITY = frozenset({"==", "===", "!=", "!=="})
_ORDER: Mapping[str, Callable[[Json, Json], bool]] = {
    "<": less_than,
    "<=": less_or_equal,
    ">": greater_than,
    ">=": greater_or_equal,
}


def _check(rule: Json, path: str, depth: int) -> Iterator[Finding]:
    if depth > MAX_DEPTH:
        return  # the compiler refuses the rule
    if isinstance(rule, list):
        for index, item in enumerate(rule):
            yield from _check(item, f"{path}[{index}]", depth + 1)
    if not isinstance(rule, Mapping):
        return
    if len(rule) != 1:
        problem = f"an object with {len(rule)} keys is not an operation: it counts as true"
        yield Finding(path, problem, "not an operation")
        return
    ((operator, arguments),) = rule.items()
    path = f"{path}.{operator}"
    for place, name in _names_read(operator, arguments, path):
        problem = _attribute_problem(str(name)) if isinstance(name, (str, int, float)) else ""
        if problem:
            yield Finding(place, problem, "unknown attribute")
    if operator == "var":
        return
    if isinstance(arguments, list):
        for problem in _constants_problem(operator, arguments):
            yield Finding(path, problem, "constants")
        for place, problem in _value_problems(operator, arguments, path):
            yield Finding(place, problem, "impossible value")
        if operator in LOOP_OPERATORS:  # in the body of a loop, variables are those of an item
            arguments = arguments[:1]
    yield from _check(arguments, path, depth if isinstance(arguments, list) else depth + 1)


def _names_read(operator: str, arguments: Json, path: str) -> Iterator[Tuple[str, Json]]:
    """Yield the names of the variables that an operation itself reads, with their paths."""
    operands = arguments if isinstance(arguments, list) else [arguments]
    if operator == "var":
        yield path, operands[0] if operands else None
    elif operator in ("missing", "missing_some"):
        position = 1 if operator == "missing_some" else 0
        nested = operands[position] if len(operands) > position else None
        names, place = (nested, f"{path}[{position}]") if isinstance(nested, list) else (operands, path)
        for index, name in enumerate(names):
            yield f"{place}[{index}]", name if isinstance(name, str) else None


def _constants_problem(operator: str, arguments: Sequence[Json]) -> Iterator[str]:
    """Yield the problem with a comparison of two constants, one of which is the name of an attribute."""
    is_comparison = operator in _EQUALITY or operator in _ORDER or operator == "in"
    if is_comparison and len(arguments) == 2 and not any(isinstance(each, (dict, list)) for each in arguments):
        for each in arguments:
            if isinstance(each, str) and (each in ATTRIBUTES or each.startswith("mbox.")):
                yield f'both sides are constants; did you mean {{"var": "{each}"}}?'
                return


def _value_problems(operator: str, arguments: Sequence[Json], path: str) -> _Problems:
    """Yield the problems of a comparison with a constant, such as a value that the variable never has."""
    if len(arguments) != 2:
        return
    for position, argument in enumerate(arguments):
        name, value = constant_variable_name(argument), arguments[1 - position]
        if name is not None and not isinstance(value, Mapping):
            place = f"{path}[{1 - position}]"
            if operator in _EQUALITY:
                yield from _at(place, _equality_problem(name, value, is_strict=len(operator) == 3))
            elif operator in _ORDER:
                yield from _at(place, _order_problem(name, operator, arguments, position))
            elif operator == "in" and isinstance(value, list) and position == 0:
                for index, item in enumerate(value):
                    yield from _at(f"{place}[{index}]", _equality_problem(name, item, is_strict=True))
            elif operator == "in" and isinstance(value, str) and position == 1:
                yield from _at(place, _part_problem(name, value))


def _at(place: str, problem: str) -> _Problems:
    if problem:
        yield place, problem


def _equality_problem(name: str, value: Json, is_strict: bool) -> str:
    """Return why the variable never equals ``value``, or an empty string."""
    if value is None or isinstance(value, (bool, list, dict)):
        return ""
    if name in _NUMBERS:
        return _number_problem(name, value, is_strict)
    if not isinstance(value, str):
        is_never = name in _NAMES or (is_strict and name in ATTRIBUTES)
        return f"{name} is text, which never equals the number {shown(value)}" if is_never else ""
    return _VALUES.get(name, _case_problem)(name, value)


def _number_problem(name: str, value: Json, is_strict: bool) -> str:
    lowest, highest, meaning = _NUMBERS[name]
    if is_strict and isinstance(value, str):
        return f"{name} is a number, which never equals the text {shown(value)}"
    number = float(to_number(value))
    is_possible = lowest <= number <= highest and (name not in _INTEGERS or number.is_integer())
    return "" if is_possible else f"{name} is never {shown(value)}; expected {meaning}"


def _order_problem(name: str, operator: str, arguments: Sequence[Json], position: int) -> str:
    """Return why a comparison never holds or why its unit is probably wrong, or an empty string."""
    value = arguments[1 - position]
    if value is None or isinstance(value, (bool, list)):
        return ""
    if name == "current_time":
        return "" if not isinstance(value, str) or _DIGITS.fullmatch(value) else _never_time(name, value)
    if name not in _NUMBERS:
        return ""
    if name == "current_timestamp" and _SECONDS[0] <= to_number(value) < _SECONDS[1]:
        return f"{name} is in milliseconds since 1970, and {shown(value)} may be in seconds"
    lowest, highest, meaning = _NUMBERS[name]
    for limit in (lowest, highest):
        pair = (limit, value) if position == 0 else (value, limit)
        if _ORDER[operator](*pair):
            return ""
    relation = operator if position == 0 else SWAPPED_COMPARISONS[operator]
    return f"no value of {name} is {relation} {shown(value)}; expected {meaning}"


def _part_problem(name: str, part: str) -> str:
    """Return why the variable never contains ``part``, or an empty string."""
    if name in _NAMES:
        names = _NAMES[name][0]
        return "" if any(part in each for each in names) else _unknown_name(name, part)
    return _case_problem(name, part)


# The values of attributes

#: The numeric attributes, each with its lowest and highest value and a description of its values.
_NUMBERS: Mapping[str, Tuple[float, float, str]] = {
    "user.browserVersion": (-1, 99999, "a major version; -1 if it is unknown"),
    "current_day": (1, 7, "1 (Monday) to 7 (Sunday)"),
    "current_timestamp": (0, 8.64e15, "milliseconds since 1970"),
    "allocation": (0, 99.99, "a bucket from 0 to 99.99"),
    "geo.latitude": (-90, 90, "a number from -90 to 90"),
    "geo.longitude": (-180, 180, "a number from -180 to 180"),
}
#: Timestamps of the years 1973 to 2969 in seconds.
_SECONDS = 1e8, 3.1536e10
_INTEGERS = frozenset({"user.browserVersion", "current_day", "current_timestamp"})
#: The possible texts, and common other names for them.
_NAMES: Mapping[str, Tuple[Sequence[str], Mapping[str, str]]] = {
    "user.browserType": (
        BROWSERS,
        {"internet explorer": "ie", "msie": "ie", "microsoft edge": "edge", "google chrome": "chrome"},
    ),
    "user.platform": (
        PLATFORMS,
        {"macintosh": "mac", "macos": "mac", "mac os x": "mac", "osx": "mac", "win": "windows", "iphone": "ios"},
    ),
    "user.locale": (("en",), {}),
}
_DIGITS = re.compile(r"[0-9]{4}")
_TIME = re.compile(r"(?:[01][0-9]|2[0-3])[0-5][0-9]")


_HOST_PARTS = frozenset(
    f"{page}.{part}" for page in ("page", "referring") for part in ("domain", "subdomain", "topLevelDomain")
)


def _is_lower_case(name: str) -> bool:
    return name.endswith("_lc") or name in _HOST_PARTS


def _lower_case_problem(name: str, value: str) -> str:
    lower = value.lower()
    return "" if value == lower else f"{name} is in lower case and never {shown(value)}{_did_you_mean(lower)}"


def _name_problem(name: str, value: str) -> str:
    return "" if value in _NAMES[name][0] else _unknown_name(name, value)


def _unknown_name(name: str, value: str) -> str:
    names, others = _NAMES[name]
    lower = value.strip().lower()
    close = lower if lower in names else others.get(lower)
    hint = suggestion(lower, names) if close is None else _did_you_mean(close)
    return f"{name} is never {shown(value)}{hint or '; expected ' + _choice(names)}"


def _time_problem(name: str, value: str) -> str:
    return "" if _TIME.fullmatch(value) else _never_time(name, value)


def _never_time(name: str, value: str) -> str:
    digits = value.replace(":", "").zfill(4)
    hint = _did_you_mean(digits) if _TIME.fullmatch(digits) else ""
    return f"{name} is four digits in UTC, such as '0930', and never {shown(value)}{hint}"


def _country_problem(name: str, value: str) -> str:
    return "" if len(value) == 2 else f"{name} is a code of two letters, such as 'US', and never {shown(value)}"


def _domain_problem(name: str, value: str) -> str:
    domain = PageUrl(value if "//" in value else f"//{value}").domain
    if value == domain:
        return ""
    hint = _did_you_mean(domain) if domain else ""
    return f"{name} is a registrable domain in lower case, such as 'example.com', and never {shown(value)}{hint}"


def _subdomain_problem(name: str, value: str) -> str:
    if value == "www" or value.startswith("www."):
        return f"{name} is without the first 'www', and never {shown(value)}{_did_you_mean(value[4:])}"
    return _lower_case_problem(name, value)


def _suffix_problem(name: str, value: str) -> str:
    suffix = value.strip(".").lower()
    if not value or PageUrl(f"//x.{value}").top_level_domain == value:
        return ""
    hint = _did_you_mean(suffix) if PageUrl(f"//x.{suffix}").top_level_domain == suffix else ""
    return f"{name} is a public suffix, such as 'com', and never {shown(value)}{hint}"


def _path_problem(name: str, value: str) -> str:
    if value and value[0] != "/":
        return f"{name} starts with '/', unlike {shown(value)}{_did_you_mean('/' + value)}"
    return _case_problem(name, value)


def _url_problem(name: str, value: str) -> str:
    if value and "://" not in value:
        hint = f"; did you mean {name.replace('.url', '.path')}?" if value[0] == "/" else ""
        return f"{name} is a complete URL, unlike {shown(value)}{hint}"
    return _case_problem(name, value)


def _without_mark(mark: str) -> Callable[[str, str], str]:
    """Return the check of a variable whose values do not start with ``mark``."""

    def problem(name: str, value: str) -> str:
        if value.startswith(mark):
            return f"{name} is without the {mark!r}, unlike {shown(value)}{_did_you_mean(value[1:])}"
        return _case_problem(name, value)

    return problem


def _case_problem(name: str, value: str) -> str:
    return _lower_case_problem(name, value) if _is_lower_case(name) else ""


def _page_checks() -> Iterator[Tuple[str, Callable[[str, str], str]]]:
    checks = {
        "url": _url_problem,
        "path": _path_problem,
        "query": _without_mark("?"),
        "fragment": _without_mark("#"),
        "domain": _domain_problem,
        "subdomain": _subdomain_problem,
        "topLevelDomain": _suffix_problem,
    }
    for page in ("page", "referring"):
        for part, check in checks.items():
            yield f"{page}.{part}", check
            yield f"{page}.{part}_lc", check


#: Functions that check the text with which a variable is compared, by the name of the variable. Each returns the
#: problem, or an empty string.
_VALUES: Dict[str, Callable[[str, str], str]] = {
    **dict.fromkeys(_NAMES, _name_problem),
    **dict(_page_checks()),
    "current_time": _time_problem,
    "geo.country": _country_problem,
}
