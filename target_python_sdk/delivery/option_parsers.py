"""One small parser for each kind of option: a value as written, or an error that names what was expected.

A message names the option and the type of what was given, never the value: options
carry proxy passwords and visitors' ids.
"""

import math
import os
import re
from typing import Any, Callable, Mapping, NoReturn, Optional, Sequence, Tuple, Type

from target_tools.errors import OptionError

Parser = Callable[[str, Any], Any]

#: A client code is the first label of a host name.
DNS_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_HOST = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]{2,45}\])"
DOMAIN = re.compile(r"(?P<host>{})(?::(?P<port>[0-9]{{1,5}}))?".format(_HOST), re.ASCII)
CDN = re.compile(r"(?:https?://)?{}(?::[0-9]{{1,5}})?(?:/[A-Za-z0-9._~/-]*)?".format(_HOST), re.ASCII)


def refuse(option: str, expected: str, value: Any) -> NoReturn:
    """Raise the error of an option that cannot be used."""
    raise OptionError("{}: {} was expected, not {}".format(option, expected, _kind(value)), option, expected)


def _kind(value: Any) -> str:
    if isinstance(value, (bool, int, float)):
        return repr(value)
    return "an empty {}".format(type(value).__name__) if value in ("", b"") else "this {}".format(type(value).__name__)


def text(option: str, value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        refuse(option, "text", value)
    return value


def flag(option: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        refuse(option, "True or False", value)
    return value


def number(unit: str, minimum: float) -> Parser:
    """A parser of whole or broken numbers."""
    expected = "a number of {}, {:g} or more,".format(unit, minimum)

    def parse(option: str, value: Any) -> float:
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not good or value < minimum:
            refuse(option, expected, value)
        return float(value)

    return parse


def milliseconds(minimum: float) -> Parser:
    """A parser of milliseconds as seconds."""
    parse_number = number("milliseconds", minimum)
    return lambda option, value: parse_number(option, value) / 1000


def whole(what: str, minimum: Optional[int] = None) -> Parser:
    """A parser of whole numbers."""
    expected = what if minimum is None else "{}, {} or more,".format(what, minimum)

    def parse(option: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or (minimum is not None and value < minimum):
            refuse(option, expected, value)
        return value

    return parse


def choice(*allowed: str) -> Parser:
    """A parser of one word out of a few."""

    def parse(option: str, value: Any) -> str:
        if value not in allowed:
            refuse(option, "one of " + ", ".join(allowed), value)
        return str(value)

    return parse


def instance(kind: Type[Any], expected: str) -> Parser:
    """A parser that takes what is of a kind as it is."""

    def parse(option: str, value: Any) -> Any:
        if not isinstance(value, kind):
            refuse(option, expected, value)
        return value

    return parse


def having(*names: str) -> Parser:
    """A parser of objects that can do something."""
    expected = "an object with " + " and ".join(names)

    def parse(option: str, value: Any) -> Any:
        if not all(callable(getattr(value, name, None)) for name in names):
            refuse(option, expected, value)
        return value

    return parse


def matching(pattern: "re.Pattern[str]", expected: str) -> Parser:
    """A parser of text of a certain form."""

    def parse(option: str, value: Any) -> str:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            refuse(option, expected, value)
        return value

    return parse


def domain(option: str, value: Any) -> Tuple[str, Optional[int]]:
    """``host[:port]`` as host and port; an IPv6 address stands in brackets."""
    expected = "host or host:port, without scheme, path and user,"
    found = DOMAIN.fullmatch(value) if isinstance(value, str) else None
    if found is None or ".." in value:
        refuse(option, expected, value)
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65536:
        refuse(option, expected, value)
    return found["host"].strip("[]"), port


def url(option: str, value: Any) -> str:
    """An http or https URL."""
    if not isinstance(value, str) or re.fullmatch(r"https?://[^\s/?#@]+[^\s]*", value) is None:
        refuse(option, "an http or https URL", value)
    return value


def path(option: str, value: Any) -> str:
    """The path of a file or folder that is there."""
    if not isinstance(value, (str, os.PathLike)) or not os.path.exists(value):
        refuse(option, "the path of a file or folder that exists", value)
    return os.fspath(value)


def certificate(option: str, value: Any) -> Any:
    """A PEM file, or a certificate and its key in two."""
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return path(option, value[0]), path(option, value[1])
    return path(option, value)


def subscribers(option: str, value: Any) -> Mapping[str, Callable[..., object]]:
    """Callables by the name of the event they wait for."""
    expected = "a dict from event name to callable"
    if not isinstance(value, Mapping):
        refuse(option, expected, value)
    for name, subscriber in value.items():
        if not isinstance(name, str) or not callable(subscriber):
            refuse("{}[{!r}]".format(option, name), "a callable", subscriber)
    return dict(value)


def headers(option: str, value: Any) -> Mapping[str, str]:
    """Header names and values that fit on a line."""
    good = isinstance(value, Mapping) and all(
        isinstance(part, str) and re.fullmatch(r"[\x20-\x7e]*", part) for item in value.items() for part in item
    )
    if not good:
        refuse(option, "a dict of printable ASCII text", value)
    return dict(value)


def names(option: str, value: Any) -> Sequence[str]:
    """A list of names."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(name, str) for name in value):
        refuse(option, "a list of names", value)
    return tuple(value)
