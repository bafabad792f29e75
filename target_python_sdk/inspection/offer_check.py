"""Finds mistakes in the options and metrics of a rule: wrong types, contents, macros, URLs and tokens."""

import difflib
import re
from typing import Iterator, List, Mapping
from urllib.parse import urlsplit

from target_python_sdk.decisioning.audience_check import Finding
from target_python_sdk.inspection.findings import items, missing_or_wrong, place_of, text, unknown, wrong
from target_python_sdk.local_edge.activities import OFFER_TYPES
from target_python_sdk.local_edge.validation import JsonValue

_METRIC_TYPES = ("display", "click")
#: A macro, or the start of one that has no end.
_MACRO = re.compile(r"\$\{([^{}<>\"']*)(\}?)")
#: Scripts are not searched for macros, because they contain JavaScript's own ``${…}``.
_SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE)
#: The macros whose values come from the rule or the location.
_MACROS = (
    *(f"{group}.{key}" for group in ("activity", "experience", "campaign", "recipe") for key in ("id", "name")),
    "mbox.name",
    "view.name",
)
_MACRO_NAME = re.compile(r"[a-zA-Z0-9_.]+")


def check_consequence(rule: Mapping[str, JsonValue], location: str, place: str) -> Iterator[Finding]:
    """Yield the mistakes in the consequence of a rule of ``location``."""
    consequence, place = rule.get("consequence"), place_of(place, "consequence")
    if not isinstance(consequence, Mapping):
        yield missing_or_wrong(rule, "consequence", place.rpartition(".")[0], "an object")
        return
    if consequence.get("name") not in (None, location):
        problem = f"{consequence.get('name')!r} is not the name of the location, {location!r}"
        yield Finding(f"{place}.name", problem)
    findings: List[Finding] = []
    metrics = items(consequence.get("metrics"), f"{place}.metrics", findings)
    options = items(consequence.get("options"), f"{place}.options", findings)
    if not options and not findings:
        findings.append(Finding(f"{place}.options", "no option: visitors get no content, and nothing is reported"))
    yield from findings
    has_displays = any(isinstance(metric, Mapping) and metric.get("type") == "display" for _, metric in metrics)
    for at, option in options:
        if not isinstance(option, Mapping):
            yield wrong(at, "an object", option)
            continue
        yield from check_option(option.get("type"), option.get("content"), at)
        if text(option.get("eventToken")) is None and not has_displays:
            yield missing_or_wrong(option, "eventToken", at, "a token, without which displays are not counted")
    for at, metric in metrics:
        yield from _check_metric(metric, at)


def check_option(type_: JsonValue, content: JsonValue, place: str) -> Iterator[Finding]:
    """Yield the mistakes in the type and the content of an option. An option without both is default content."""
    at = f"{place}.content"
    if type_ is None and content is not None:
        yield Finding(place, "missing key 'type', without which the page cannot use the content")
    elif type_ is not None and type_ not in OFFER_TYPES:
        yield unknown(f"{place}.type", "type", str(type_), OFFER_TYPES)
    elif type_ is not None and content is None:
        yield Finding(place, f"an option of type {type_!r} without content")
    elif type_ is not None:
        yield from check_content(str(type_), content, at)


def check_content(type_: str, content: JsonValue, place: str) -> Iterator[Finding]:
    """Yield the mistakes in the content of an option of the type ``type_``."""
    if type_ == "json":
        if not isinstance(content, (dict, list)):
            yield wrong(place, "an object or a list", content)
    elif type_ == "actions":
        findings: List[Finding] = []
        for at, action in items(content, place, findings):
            if not isinstance(action, Mapping):
                yield wrong(at, "an object", action)
            elif text(action.get("type")) is None:
                yield missing_or_wrong(action, "type", at, "the type of an action")
            elif isinstance(action.get("content"), str):
                yield from _check_macros(str(action["content"]), f"{at}.content")
        yield from findings
    elif not isinstance(content, str):
        yield wrong(place, "text", content)
    elif type_ == "html":
        yield from _check_macros(content, place)
    else:
        yield from _check_address(content, place)


def _check_macros(content: str, place: str) -> Iterator[Finding]:
    for name, end in _MACRO.findall(_SCRIPT.sub("", content)):
        if not end:
            yield Finding(place, f"the macro {'${' + name[:40]!r} has no '}}'")
        elif not _MACRO_NAME.fullmatch(name):
            problem = "expected letters, digits, '_' and '.'" if name else "it has no name"
            yield Finding(place, f"the macro {'${' + name[:40] + '}'!r} is not replaced: {problem}")
        elif name not in _MACROS and "." in name and not name.startswith("mbox."):
            # The name may belong to a parameter, so it counts as a mistake only if it resembles the name of a macro.
            close = difflib.get_close_matches(name.lower(), _MACROS, 1, 0.85)
            if close:
                yield Finding(place, f"unknown macro {'${' + name + '}'!r}; did you mean {'${' + close[0] + '}'!r}?")


def _check_address(address: str, place: str) -> Iterator[Finding]:
    problem = ""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises ValueError for an invalid port
    except ValueError as error:
        problem = str(error)
    else:
        if re.search(r"[\s\x00-\x1f]", address):
            problem = "it contains a space or a control character"
        elif parts.scheme not in ("http", "https", ""):
            problem = f"its scheme is {parts.scheme!r}"
        elif parts.scheme and not parts.hostname:
            problem = "it has no host"
        elif not address:
            problem = "it is empty"
        elif not parts.scheme and not address.startswith(("/", "?", "#", "${")):
            problem = "it has no scheme, and no '/' at the start"
    if problem:
        yield Finding(place, f"{address[:60]!r} is not a valid URL: {problem}")


def _check_metric(metric: JsonValue, place: str) -> Iterator[Finding]:
    if not isinstance(metric, Mapping):
        yield wrong(place, "an object", metric)
        return
    if metric.get("type") not in _METRIC_TYPES:
        yield unknown(f"{place}.type", "type", str(metric.get("type")), _METRIC_TYPES)
    if text(metric.get("eventToken")) is None:
        yield missing_or_wrong(metric, "eventToken", place, "a token, without which the event cannot be reported")
