"""Builds the texts of errors about invalid options, arguments, keys and fields."""

from __future__ import annotations

from json import JSONDecodeError
from typing import Collection

#: The maximum number of characters of a text that an error quotes.
MAX_QUOTED = 60


#: The default of ``got``. None would be ambiguous, because it can be the value that was received.
OMITTED = object()


def invalid(
    subject: str,
    problem: str = "",
    *,
    expected: str = "",
    got: object = OMITTED,
    secret: bool = False,
    name: str = "",
    known: Collection[str] = (),
    hint: str = "",
) -> str:
    """Return the text of an error about an invalid value.

    :param subject: Where the problem is: ``Invalid option 'timeout'``, ``activities[0].share``; may be empty.
    :param problem: A description of the problem. If empty, the text is built from ``expected`` and ``got``.
    :param expected: The values that are accepted, worded to follow "expected".
    :param got: The value that was received.
    :param secret: Show only the type of text and numbers, because they may be credentials or personal data.
    :param name: A misspelled name. The text suggests the closest of the ``known`` names.
    :param hint: Advice at the end of the text.
    """
    text = problem or f"expected {expected}"
    if subject:
        text = f"{subject}: {text}"
    if got is not OMITTED:
        is_hidden = secret and isinstance(got, (str, bytes, int, float)) and not isinstance(got, bool)
        text += f", got {_type_of(got)} (value not shown)" if is_hidden else f", got {shown(got)}"
    return text + suggestion(name, known) + (f"; {hint}" if hint else "")


def suggestion(name: str, known: Collection[str]) -> str:
    """Return ``; did you mean 'timeout'?`` for a misspelled name; empty if no known name is close."""
    if not name:
        return ""
    import difflib  # noqa: PLC0415 - only mistakes need it

    closest = difflib.get_close_matches(str(name), known, 1)
    return f"; did you mean {closest[0]!r}?" if closest else ""


def json_problem(error: JSONDecodeError) -> str:
    """Return why a text is not JSON. Python names a trailing comma only since 3.13."""
    is_after_comma = error.doc[: error.pos].rstrip().endswith(",") and error.doc[error.pos :].startswith(("]", "}"))
    return f"invalid JSON: {error.msg}" + ("; remove the comma before it" if is_after_comma else "")


def shown(value: object) -> str:
    """Quote text, shortened if necessary, and numbers; describe everything else by its type and size."""
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if value.bit_length() <= 128 else f"an int of {value.bit_length()} bits"
    if isinstance(value, (str, bytes)):
        return repr(value) if len(value) <= MAX_QUOTED else f"{value[:MAX_QUOTED]!r}..."
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        count = len(value)
        return f"{_type_of(value)} of {count} item{'s' * (count != 1)}" if value else f"an empty {type(value).__name__}"
    return _type_of(value)


def _type_of(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
