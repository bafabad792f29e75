"""One small parser for each kind of option: a value as written, or an error that names what was expected.

A message names the option and the type of what was given, never the value: options
carry proxy passwords and visitors' ids.
"""

import contextlib
import enum
import os
import re
from typing import Any, Callable, Collection, Dict, FrozenSet, Mapping, NoReturn, Optional, Sequence, Tuple, Type

from target_python_sdk.delivery.messages import DECISIONING_METHOD_INVALID
from target_tools.enums import DecisioningMethod
from target_tools.errors import OptionError
from target_tools.logger import Log

Parser = Callable[[str, Any], Any]

#: In milliseconds.  What waits longer was meant otherwise, and clocks of the system end not far beyond.
A_WEEK = 7 * 86400 * 1000.0

# Patterns are text here: ``re`` compiles one, and keeps it, when the first program uses the option.
_HOST = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]{2,45}\])"
_DOMAIN = r"(?P<host>{})(?::(?P<port>[0-9]{{1,5}}))?".format(_HOST)
_CDN = r"(?:https?://)?{}(?::[0-9]{{1,5}})?(?:/[A-Za-z0-9._~/-]*)?".format(_HOST)


def refuse(option: str, expected: str, value: Any) -> NoReturn:
    """Raise the error of an option that cannot be used."""
    raise OptionError("{}: {} was expected, not {}".format(option, expected, _kind(value)), option, expected)


def _kind(value: Any) -> str:
    if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 10**9):
        return repr(value)
    return ("an empty {}" if isinstance(value, (str, bytes)) and not value else "this {}").format(type(value).__name__)


def text(option: str, value: Any) -> str:
    """Text that is not empty, and that UTF-8 can hold."""
    if not isinstance(value, str) or not value or any("\ud800" <= letter <= "\udfff" for letter in value):
        refuse(option, "text", value)
    return value


def digits_or_text(option: str, value: Any) -> str:
    """Text; a whole number stands for its digits."""
    return text(option, str(value) if isinstance(value, int) and not isinstance(value, bool) else value)


def flag(option: str, value: Any) -> bool:
    """True or False, or the numbers that stand for them.  No text: it may say "false"."""
    if not isinstance(value, int) or value not in (0, 1):
        refuse(option, "True or False", value)
    return bool(value)


def from_text(value: Any) -> Any:
    """A number that is written as text, as variables of the environment are; anything else as it is."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value) if "." in value else int(value)
    return value


def is_below(limit: float, value: Any) -> bool:
    """Whether that is a number, and less: where 1.1.0's users wrote one for "not given"."""
    found = from_text(value)
    return isinstance(found, (int, float)) and found < limit


def number(unit: str, minimum: float, maximum: float) -> Parser:
    """A parser of whole or broken numbers."""
    expected = "a number of {} from {:g} to {:g}".format(unit, minimum, maximum)

    def parse(option: str, value: Any) -> float:
        value = from_text(value)
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not good or not minimum <= value <= maximum:
            refuse(option, expected, value)
        return float(value)

    return parse


def milliseconds(minimum: float) -> Parser:
    """A parser of milliseconds, up to a week of them, as seconds."""
    parse_number = number("milliseconds", minimum, A_WEEK)
    return lambda option, value: parse_number(option, value) / 1000


def whole(what: str, minimum: Optional[int] = None) -> Parser:
    """A parser of whole numbers."""
    expected = what if minimum is None else "{}, {} or more,".format(what, minimum)

    def parse(option: str, value: Any) -> int:
        value = from_text(value)
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


def is_label(name: str, longest: int) -> bool:
    """Whether ``name`` can be a label of a host name: ASCII letters, digits and inner hyphens."""
    letters = name.replace("-", "")
    return len(name) <= longest and letters.isalnum() and letters.isascii() and name == name.strip("-")


def client_code(option: str, value: Any) -> str:
    """A client code, which is the first label of a host name; name services know underscores, too."""
    if not isinstance(value, str) or not is_label(value.replace("_", "0"), 63):
        refuse(option, "a client code: letters, digits, underscores and inner hyphens, 63 at most,", value)
    return value


def cdn(option: str, value: Any) -> str:
    """A host and perhaps a path, with scheme and port where they are not the usual ones."""
    if not isinstance(value, str) or re.fullmatch(_CDN, value) is None:
        refuse(option, "a host, with scheme and port where needed,", value)
    return value


def domain(option: str, value: Any) -> Tuple[str, Optional[int]]:
    """``host[:port]`` as host and port; an IPv6 address stands in brackets."""
    expected = "host or host:port, without scheme, path and user,"
    found = re.fullmatch(_DOMAIN, value) if isinstance(value, str) else None
    if found is None or ".." in value or any(len(label) > 63 for label in found["host"].split(".")):
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
    """Parse a PEM path, ``(certificate, key)`` or ``(certificate, key, password)``; key None: in the same file."""
    if not isinstance(value, (tuple, list)):
        return path(option, value)
    if len(value) not in (2, 3):
        refuse(option, "a PEM path, (certificate, key) or (certificate, key, password)", value)
    key = None if value[1] is None else path(option, value[1])
    if len(value) == 2:
        return path(option, value[0]), key
    if value[2] is not None and not isinstance(value[2], (str, bytes)):
        refuse(f"{option}[2]", "a password as str or bytes", value[2])
    return path(option, value[0]), key, value[2]


def subscribers(option: str, value: Any) -> Mapping[str, Callable[..., object]]:
    """Callables by the name of the event they wait for."""
    expected = "a dict from event name to callable"
    if not value:
        return {}
    if not isinstance(value, Mapping):
        refuse(option, expected, value)
    named = {name: subscriber for name, subscriber in value.items() if subscriber is not None}
    for name, subscriber in named.items():
        if not isinstance(name, str) or not callable(subscriber):
            refuse("{}[{!r}]".format(option, name), "a callable", subscriber)
    return named


def headers(option: str, value: Any) -> Mapping[str, str]:
    """Header names and values that fit on a line."""
    good = isinstance(value, Mapping) and all(
        isinstance(part, str) and re.fullmatch(r"[\x20-\x7e]*", part) for item in value.items() for part in item
    )
    if not good:
        refuse(option, "a dict of printable ASCII text", value)
    return dict(value)


def names(option: str, value: Any) -> FrozenSet[str]:
    """A list of names, whose order does not matter."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(name, str) for name in value):
        refuse(option, "a list of names", value)
    return frozenset(value)


def visitor_text(value: Any) -> Optional[str]:
    """What a visitor's cookie or hint says; legacy WSGI code hands over bytes.  Anything else is ignored."""
    if not value or not isinstance(value, (str, bytes)):
        return None
    return value if isinstance(value, str) else decoded(value)


def decoded(value: bytes) -> str:
    """Bytes of a WSGI application as text; what is no UTF-8 is replaced."""
    import six  # noqa: PLC0415 - a twentieth of our import, and few programs hand over bytes

    return six.ensure_str(value, "utf-8", "replace")


def given(options: Mapping[str, Any]) -> Dict[str, Any]:
    """The options that say something: None and empty text do not, as in ``os.environ.get(…, "")``."""
    return {
        name: value
        for name, value in options.items()
        if value is not None and not (isinstance(value, (str, bytes)) and not value)
    }


def check_pickles(option: str, value: Any) -> None:
    """Raise ``OptionError`` that names an option which cannot go along when a client is pickled."""
    import pickle  # noqa: PLC0415 - whoever pickles has it

    try:
        pickle.dumps(value)
    except Exception as error:
        expected = "a value that can be pickled"
        raise OptionError("{}: {} was expected".format(option, expected), option, expected) from error


def decisioning_method(option: str, value: Any) -> DecisioningMethod:
    """Who decides, from the text or a member of an Enum."""
    try:
        return DecisioningMethod(value.value if isinstance(value, enum.Enum) else value)
    except ValueError:
        expected = ",".join(method.value for method in DecisioningMethod)
        raise OptionError(DECISIONING_METHOD_INVALID.format(expected), option, expected) from None


def name_unknown(written: Mapping[str, Any], known: Collection[str], log: Log) -> None:
    """Say once, in the log, which options nobody reads and what they may have been meant to be."""
    for name in written:
        if name not in known and log.first_time(("unknown option", name)):
            import difflib  # noqa: PLC0415 - wanted by mistakes only

            nearest = difflib.get_close_matches(str(name), known, 1)
            meant = "; did you mean {!r}?".format(nearest[0]) if nearest else ""
            log.warning("The option %r is unknown and has no effect%s", name, meant)
