"""Parsers for single options: each returns the parsed value or raises ``OptionError``."""

from __future__ import annotations

import contextlib
import enum
import os
import re
from typing import Any, Callable, Dict, FrozenSet, Mapping, NoReturn, Optional, Sequence, Tuple, TypeVar, Union
from urllib.parse import urlsplit

from target_python_sdk.delivery.conversion import plain
from target_python_sdk.delivery.legacy_messages import DECISIONING_METHOD_INVALID, INVALID_CALLBACK
from target_python_sdk.events import EVENT_NAMES
from target_python_sdk.protocol import EDGE_CLUSTER_PREFIX, EDGE_HOST_SUFFIX
from target_tools.callables import accepts, describe, is_deferred
from target_tools.enums import DecisioningMethod
from target_tools.error_text import OMITTED, invalid, suggestion
from target_tools.errors import OptionError
from target_tools.http.messages import is_invalid_ipv6
from target_tools.logger import Log

ResultT = TypeVar("ResultT")
#: Returns the parsed value of an option, given its name and its value, or raises ``OptionError``.
Parser = Callable[[str, Any], ResultT]
#: The types of values that options can have. An application may pass other objects, which the parsers reject.
OptionValue = Union[
    None, bool, int, float, str, bytes, "os.PathLike[str]", enum.Enum, Sequence[Any], Mapping[Any, Any],
    Callable[..., Any],
]  # fmt: skip

#: One week. A longer time is a mistake, and some system calls accept only a few weeks.
MAX_MILLISECONDS = 7 * 86400 * 1000.0
#: A shorter time limit than this is logged once.
SUSPICIOUS_MILLISECONDS = 20
#: Options whose values are not shown, because they may contain credentials or personal data.
SECRET_OPTIONS = frozenset(
    [
        "client_cert", "headers", "property_token", "proxy", "proxy_headers", "session_id", "target_cookie", "visitor",
        "visitor_cookie",
    ]
)  # fmt: skip

# The patterns are text, so that ``re`` compiles them only if their option is used.
_CLIENT_CODE = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]{2,45}\])"
_DOMAIN = rf"(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?"
_CDN = rf"(?:https?://)?{_HOST}(?::[0-9]{{1,5}})?(?:/[A-Za-z0-9._~/-]*)?"


def reject(option: str, expected: str, value: Any = OMITTED, problem: str = "", hint: str = "") -> NoReturn:
    """Raise ``OptionError`` for an option whose value is not accepted."""
    is_secret = re.split(r"[.\[]", option, maxsplit=1)[0] in SECRET_OPTIONS
    text = invalid(f"Invalid option '{option}'", problem, expected=expected, got=value, secret=is_secret, hint=hint)
    raise OptionError(text, option, expected)


def parser(expected: str, convert: Callable[[Any], Optional[ResultT]]) -> Parser[ResultT]:
    """Return a parser that reduces a value to a plain type and passes it to ``convert``.

    The parser rejects the value if ``convert`` returns None.
    """

    def parse(option: str, value: OptionValue) -> ResultT:
        value = plain(value)
        converted = convert(value)
        return reject(option, expected, value) if converted is None else converted

    return parse


def _text(value: OptionValue) -> Optional[str]:
    if not isinstance(value, str) or any("\ud800" <= letter <= "\udfff" for letter in value):
        return None
    return value or None


def _number(value: OptionValue) -> Union[int, float, None]:
    """Return a number. It may be given as text, because environment variables are text."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value) if "." in value else int(value)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


#: Parses text that is not empty and that UTF-8 can encode.
text = parser("text that is not empty", _text)
#: Parses text; an integer is converted to its digits.
text_or_integer = parser("text that is not empty", lambda value: str(value) if type(value) is int else _text(value))
#: Parses True, False, 1 or 0. Text is rejected, because it may say "false".
boolean = parser("True or False", lambda value: bool(value) if isinstance(value, int) and value in (0, 1) else None)


def number(unit: str, minimum: float, maximum: float) -> Parser[float]:
    """Return a parser that accepts numbers, which may be given as text."""

    def convert(value: OptionValue) -> Optional[float]:
        found = _number(value)
        return float(found) if found is not None and minimum <= found <= maximum else None

    return parser(f"{unit} between {minimum:.10g} and {maximum:.10g}", convert)


def milliseconds(minimum: float) -> Parser[float]:
    """Return a parser that accepts up to a week of milliseconds and returns seconds."""
    parse_number = number("milliseconds", minimum, MAX_MILLISECONDS)
    return lambda option, value: parse_number(option, value) / 1000


#: Parses a time limit. ``parse_options`` leaves out 0, which stands for the default.
time_limit = milliseconds(1)


def integer(what: str, minimum: Optional[int] = None) -> Parser[int]:
    """Return a parser that accepts integers, which may be given as text."""

    def convert(value: OptionValue) -> Optional[int]:
        found = _number(value)
        return found if isinstance(found, int) and (minimum is None or found >= minimum) else None

    return parser(what if minimum is None else f"{what} of at least {minimum}", convert)


def one_of(*allowed: str) -> Parser[str]:
    """Return a parser that accepts one of the given strings."""
    return parser(" or ".join(map(repr, allowed)), lambda value: str(value) if value in allowed else None)


def has_methods(*names: str) -> Parser[Any]:
    """Return a parser that accepts objects with the given methods."""
    expected = f"an object with {'a method' if len(names) == 1 else 'the methods'} {' and '.join(names)}"

    def parse(option: str, value: OptionValue) -> Any:
        if not all(callable(getattr(value, name, None)) for name in names):
            reject(option, expected, value)
        return value

    return parse


def client_code(option: str, value: OptionValue) -> str:
    """Parse a client code. It is the first label of a host name, and may contain underscores."""
    value = plain(value)
    if not isinstance(value, str) or re.fullmatch(_CLIENT_CODE, value) is None:
        hint = ""
        if isinstance(value, str) and "." in value:
            host = value.rpartition("://")[2]
            label = host.partition(".")[0]
            is_shared = host.startswith((EDGE_CLUSTER_PREFIX, EDGE_HOST_SUFFIX))
            hint = "for a host" if is_shared else f"did you mean {label!r}? For a host"
            hint += ", use the option 'server_domain'"
        reject(option, "a client code (letters, digits, '_' and inner '-'; at most 63 characters)", value, hint=hint)
    return value


def _domain(value: OptionValue) -> Optional[Tuple[str, Optional[int]]]:
    if not isinstance(value, str):
        return None
    found = re.fullmatch(_DOMAIN, value)
    if found is None or ".." in value or any(len(label) > 63 for label in found["host"].split(".")):
        return None
    host, port = found["host"].strip("[]"), int(found["port"]) if found["port"] else None
    if is_invalid_ipv6(host):
        return None
    return (host, port) if port is None or 0 < port < 65536 else None


#: Parses ``host[:port]`` into host and port. An IPv6 address is written in brackets.
domain = parser("host or host:port, without scheme, path and user", _domain)
#: Parses a host with an optional path, scheme and port.
cdn = parser(
    "a host, with an optional scheme and port",
    lambda value: value if isinstance(value, str) and re.fullmatch(_CDN, value) else None,
)


def url_or_file(option: str, value: OptionValue) -> str:
    """Parse an http or https URL, a ``file`` URL, or the path of a file. The last two become an absolute path."""
    expected = "an http or https URL, or the path of a file that exists"
    value = os.fspath(value) if isinstance(value, os.PathLike) else plain(value)
    if isinstance(value, str) and re.fullmatch(r"https?://[^\s/?#@]+[^\s]*", value) is not None:
        return value
    local = value
    if isinstance(value, str) and value.startswith("file:"):
        from urllib.request import url2pathname  # noqa: PLC0415 - slow to import

        local = url2pathname(urlsplit(value).path)
    if not isinstance(local, str) or not os.path.isfile(local):
        reject(option, expected, OMITTED if isinstance(value, str) and "@" in value else value)
    return os.path.abspath(local)


def _path(value: OptionValue) -> Optional[str]:
    return os.fspath(value) if isinstance(value, (str, os.PathLike)) and os.path.exists(value) else None


#: Parses the path of an existing file or folder.
path = parser("the path of a file or folder that exists", _path)


def certificate(option: str, value: OptionValue) -> Any:
    """Parse a PEM path, ``(certificate, key)`` or ``(certificate, key, password)``.

    If the key is None, it is in the same file as the certificate.
    """
    if not isinstance(value, (tuple, list)):
        return path(option, value)
    if len(value) not in (2, 3):
        reject(option, "a PEM path, (certificate, key) or (certificate, key, password)", value)
    key = None if value[1] is None else path(option, value[1])
    if len(value) == 2:
        return path(option, value[0]), key
    password = plain(value[2])
    if password is not None and not isinstance(password, (str, bytes)):
        reject(f"{option}[2]", "a password as str or bytes", password)
    return path(option, value[0]), key, password


def subscribers(option: str, value: OptionValue) -> Mapping[str, Callable[..., object]]:
    """Parse a dict from event name to subscriber."""
    if not value:
        return {}
    if not isinstance(value, Mapping):
        reject(option, "a dict from event name to callable", value)
    by_name = {plain(name): subscriber for name, subscriber in value.items() if subscriber is not None}
    for name, subscriber in by_name.items():
        if not isinstance(name, str) or not callable(subscriber):
            reject(f"{option}.{name}", "a callable", subscriber)
        _check_runs(f"{option}.{name}", subscriber)
        if not accepts(subscriber, 1) and not accepts(subscriber, 0):
            _reject_signature(f"{option}.{name}", subscriber, "the event, or no argument")
    return by_name


def observers(option: str, value: OptionValue) -> Tuple[Callable[..., object], ...]:
    """Parse a list of observers."""
    if not isinstance(value, (list, tuple)):
        hint = "put it into a list" if callable(value) else ""
        reject(option, "a list of callables", value, hint=hint)
    for position, observer in enumerate(value):
        place = f"{option}[{position}]"
        if not callable(observer):
            reject(place, "a callable", observer)
        if isinstance(observer, type):
            problem = f"expected an observer, got the class {observer.__name__}"
            reject(place, "an observer", problem=problem, hint=f"create one: {observer.__name__}(...)")
        _check_runs(place, observer)
        if not accepts(observer, 1):
            _reject_signature(place, observer, "one argument, the Observed")
        start = getattr(observer, "start", None) if hasattr(type(observer), "start") else None
        if start is not None and not (callable(start) and accepts(start, 1)):
            reject(f"{place}.start", "a method with one argument, the CallStart", start)
    return tuple(value)


def callback(argument: str) -> Parser[Callable[..., object]]:
    """Return a parser that accepts callables with one argument, which ``argument`` describes in error texts."""

    def parse(option: str, value: OptionValue) -> Callable[..., object]:
        if not callable(value):
            raise OptionError(INVALID_CALLBACK, option, "a callable")
        _check_runs(option, value)
        if not accepts(value, 1):
            _reject_signature(option, value, f"one argument, {argument}")
        return value

    return parse


def _check_runs(option: str, function: Callable[..., object]) -> None:
    if is_deferred(function):
        kind = "a coroutine function or a generator function; calling it would not run its body"
        reject(option, "a function that runs when it is called", problem=f"{describe(function)} is {kind}")


def _reject_signature(option: str, function: Callable[..., object], arguments: str) -> NoReturn:
    expected = f"a callable that takes {arguments}"
    reject(option, expected, problem=f"expected {expected}, got {describe(function)}")


def warn_unknown_events(events: Mapping[str, Callable[..., object]], log: Log) -> None:
    """Log names of events that the SDK does not emit. An application can emit them with ``event_emitter``."""
    for name in events:
        if name not in EVENT_NAMES:
            hint = _event_suggestion(name)
            write = log.warning if hint else log.info
            write("The event %r is unknown; only event_emitter can emit it%s", name, hint)


def _event_suggestion(name: str) -> str:
    """Return a hint with up to two events that ``name`` may stand for; empty for an event of an application.

    A name may stand for an event whose name is similar to it or contains it as a word.
    """
    import difflib  # noqa: PLC0415 - only mistakes need it

    given = name.lower()
    meant = difflib.get_close_matches(given, EVENT_NAMES, 2, 0.8)
    meant = meant or [known for known in EVENT_NAMES if given in known.split("_")]
    return f"; did you mean {' or '.join(map(repr, meant))}?" if meant else suggestion(given, EVENT_NAMES)


def _headers(value: OptionValue) -> Optional[Mapping[str, str]]:
    if not isinstance(value, Mapping):
        return None
    fields = {plain(name): plain(item) for name, item in value.items()}
    parts = (*fields, *fields.values())
    return fields if all(isinstance(part, str) and re.fullmatch(r"[\x20-\x7e]*", part) for part in parts) else None


def _name_set(value: OptionValue) -> Optional[FrozenSet[str]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    names = frozenset(map(plain, value))
    return names if all(isinstance(name, str) for name in names) else None


#: Parses a dict of header names and values, which must not contain line breaks.
headers = parser("a dict of printable ASCII text", _headers)
#: Parses a list of names, whose order does not matter.
name_set = parser("a list of names", _name_set)


def drop_empty(options: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the options that are neither None nor empty text, which is what ``os.environ.get(…, "")`` may return."""
    return {
        name: value
        for name, value in options.items()
        if value is not None and not (isinstance(value, (str, bytes)) and not value)
    }


def check_picklable(option: str, value: OptionValue) -> None:
    """Raise ``OptionError`` for an option that prevents a client from being pickled."""
    import pickle  # noqa: PLC0415 - only pickling needs it

    try:
        pickle.dumps(value)
    except Exception as error:
        expected = "a value that can be pickled"
        text = invalid(f"Invalid option '{option}'", expected=expected, got=type(value))
        raise OptionError(text, option, expected) from error


def decisioning_method(option: str, value: OptionValue) -> DecisioningMethod:
    """Parse a decisioning method from its text or from a member of an Enum."""
    given = value.value if isinstance(value, enum.Enum) else plain(value)
    try:
        return DecisioningMethod(given)
    except ValueError:
        known = [method.value for method in DecisioningMethod]
        expected = ",".join(known)
        text = DECISIONING_METHOD_INVALID.format(expected)
        raise OptionError(text + suggestion(str(given), known), option, expected) from None


def warn_unknown_options(options: Mapping[str, Any], parsers: Mapping[str, Optional[Parser[Any]]], log: Log) -> None:
    """Log the name of each unknown option once, with the nearest name."""
    for name in options:
        if name not in parsers and log.first_time(("unknown option", name)):
            log.warning("The option %r is unknown and has no effect%s", name, suggestion(name, parsers))


def parse_options(options: Mapping[str, Any], parsers: Mapping[str, Optional[Parser[Any]]], log: Log) -> Dict[str, Any]:
    """Return the parsed values of the options that ``parsers`` names. Options whose parser is None are skipped.

    Logs a time limit of a few milliseconds, which is probably a mistake, once for each option.
    """
    values: Dict[str, Any] = {}
    for name, given in options.items():
        parse = parsers.get(name)
        if parse is None or (parse is time_limit and _number(plain(given)) == 0):
            continue  # 1.1.0 accepted 0 for "not given"
        value = values[name] = parse(name, given)
        if parse is time_limit and value * 1000 < SUSPICIOUS_MILLISECONDS:
            warn_short("option", name, value, log)
    return values


def warn_short(what: str, name: str, seconds: float, log: Log) -> None:
    """Log once that a time limit was probably meant to be in seconds."""
    if log.first_time(("short", what, name)):
        log.warning("The %s %r is %g milliseconds; did you mean seconds?", what, name, seconds * 1000)
