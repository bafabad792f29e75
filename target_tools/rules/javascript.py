"""JavaScript's conversions, equality and order, for JSON values.

Rules are written for JavaScript, where ``"5" == 5`` and ``null < 1`` are true, and both ``"abc" < 5`` and
``"abc" >= 5`` are false. The functions implement JavaScript's abstract operations (ECMA-262, chapter 7), its
operators, and some of its built-in functions, for these types:

    undefined   UNDEFINED
    null        None
    boolean     bool
    number      int and float; an int counts as the double nearest to it
    string      str, compared and indexed by UTF-16 code units
    object      list and tuple (arrays), dict, and any other type

Objects have no inherited properties such as ``toString`` and ``constructor``. The functions raise nothing but
``InvalidRule``, for arrays with too many values.
"""

import math
import re
from typing import List, Mapping, Match, Optional, Sequence, Tuple, Union

from target_tools.errors import InvalidRule

#: Maximum number of values, including nested ones, in an array that is converted to text.
MAX_ITEMS = 1000000

#: A double represents every int up to this value exactly.
MAX_SAFE_INTEGER = 2**53

#: The whitespace that is allowed around numbers in text.
WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)

_DECIMAL = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_WITH_BASE = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_BASES = {"x": 16, "o": 8, "b": 2}
_INDEX = re.compile(r"0|[1-9][0-9]{0,15}")
_SUPPLEMENTARY = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Undefined:
    """The type of ``UNDEFINED``."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"


#: The value of a missing argument. JSON has no such value.
UNDEFINED = Undefined()

#: A value of JavaScript. Objects of other types may also appear; they have no properties.
Value = Union[None, bool, int, float, str, Sequence["Value"], Mapping[str, "Value"], Undefined]

# Types

#: The types of arrays.
ARRAY = (list, tuple)
_PRIMITIVE = (int, float, str, type(None), Undefined)


def is_object(value: Value) -> bool:
    """Return whether the value is an object, such as an array."""
    return not isinstance(value, _PRIMITIVE)


def to_boolean(value: Value) -> bool:
    """Convert the value to a bool, as ``if (value)`` does. All objects are true, even empty ones; NaN is false."""
    return is_object(value) or (bool(value) and not (isinstance(value, float) and math.isnan(value)))


# Numbers


def to_number(value: Value) -> float:
    """Convert the value to a number, or NaN."""
    if isinstance(value, (int, float)):  # includes bool
        return _double(value)
    if isinstance(value, str):
        return _text_to_number(value)
    if value is None:
        return 0.0
    return math.nan if isinstance(value, Undefined) else _text_to_number(to_string(value))


def _double(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _text_to_number(text: str) -> float:
    text = text.strip(WHITE_SPACE)
    if not text:
        return 0.0
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _WITH_BASE.fullmatch(text):
        return _double(int(text[2:], _BASES[text[1].lower()]))
    return math.nan


def parse_float(value: Value) -> float:
    """Return the number at the start of the value's text, or NaN."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _double(value) + 0.0  # the text of -0 is "0"
    number = _DECIMAL.match(to_string(value).lstrip(WHITE_SPACE))
    return float(number.group()) if number else math.nan


def divide(left: Value, right: Value) -> float:
    """Return ``left / right``."""
    dividend, divisor = to_number(left), to_number(right)
    if divisor:
        return dividend / divisor
    if not dividend or math.isnan(dividend):
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1.0, divisor)


def remainder(left: Value, right: Value) -> float:
    """Return ``left % right``, with the sign of ``left``."""
    dividend, divisor = to_number(left), to_number(right)
    if not divisor or math.isinf(dividend):
        return math.nan
    return math.fmod(dividend, divisor)


# Text


def to_string(value: Value) -> str:
    """Convert the value to text: numbers as JavaScript prints them, arrays joined by commas."""
    if isinstance(value, str):
        return str.__str__(value)  # str() of an Enum member is its name
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number_to_text(value)
    if isinstance(value, ARRAY):
        return _array_to_text(value)
    if value is None:
        return "null"
    return "undefined" if isinstance(value, Undefined) else "[object Object]"


def _number_to_text(number: float) -> str:
    if isinstance(number, int) and -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
        return int.__repr__(number)
    number = _double(number)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    digits, point = _digits(abs(number))
    return ("-" if number < 0 else "") + _with_decimal_point(digits, point)


def _digits(number: float) -> Tuple[str, int]:
    """Return the shortest digits that identify a positive number, and the number of digits before the decimal point."""
    mantissa, _, exponent = float.__repr__(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole) + len(fraction) - len(digits)
    return digits.rstrip("0"), len(whole) + int(exponent or "0") - leading


def _with_decimal_point(digits: str, point: int) -> str:
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits if len(digits) == 1 else digits[0] + "." + digits[1:]
    return f"{mantissa}e{point - 1:+d}"


def _array_to_text(array: Sequence[Value]) -> str:
    # Nested arrays are flattened; an empty array counts as an empty text.
    pieces: List[str] = []
    waiting: List[Value] = [array]
    for _ in range(MAX_ITEMS):
        value = waiting.pop()
        if isinstance(value, ARRAY) and value:
            waiting.extend(reversed(value))
        else:
            pieces.append("" if isinstance(value, ARRAY) or is_nullish(value) else to_string(value))
        if not waiting:
            return ",".join(pieces)
    raise InvalidRule("an array has too many values to be converted to text")


def code_units(text: str) -> str:
    """Return the text with one character per UTF-16 code unit, the unit of lengths, indexes and comparisons."""
    return text if text.isascii() else _SUPPLEMENTARY.sub(_surrogate_pair, text)


def _surrogate_pair(character: Match[str]) -> str:
    offset = ord(character.group()) - 0x10000
    return chr(0xD800 + (offset >> 10)) + chr(0xDC00 + (offset & 0x3FF))


def from_code_units(units: str) -> str:
    """Return the text of code units: surrogate pairs become one character again."""
    if units.isascii() or not _SURROGATE.search(units):
        return units
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def contains(text: str, part: str) -> bool:
    """Return whether ``text`` contains ``part``."""
    if part.isascii() or text.isascii():
        return part in text
    return code_units(part) in code_units(text)


def substr(text: str, start: Value, length: Value = UNDEFINED) -> str:
    """Return ``length`` code units from ``start``, by default all. A negative ``start`` counts from the end."""
    units = code_units(text)
    size = len(units)
    begin = _to_integer(start, size)
    begin = max(size + begin, 0) if begin < 0 else begin
    count = size if length is UNDEFINED else max(_to_integer(length, size), 0)
    return from_code_units(units[begin : begin + count])


def _to_integer(value: Value, size: int) -> int:
    """Convert the value to an int between ``-size`` and ``size``, and NaN to 0."""
    number = to_number(value)
    return 0 if math.isnan(number) else int(max(-size, min(size, number)))


# Comparison


def is_nullish(value: Value) -> bool:
    """Return whether the value is null or undefined."""
    return value is None or value is UNDEFINED


def strictly_equal(left: Value, right: Value) -> bool:
    """Return ``left === right``: same type and equal value, or the same object."""
    if isinstance(left, str) and isinstance(right, str):
        return bool(left == right)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return _double(left) == _double(right)
    return left is right


def loosely_equal(left: Value, right: Value) -> bool:
    """Return ``left == right``. An object and a text are compared as text, other values as numbers."""
    if is_nullish(left) or is_nullish(right):
        return is_nullish(left) and is_nullish(right)
    if is_object(left) and is_object(right):
        return left is right
    texts = _texts(left, right)
    return to_number(left) == to_number(right) if texts is None else texts[0] == texts[1]


def less_than(left: Value, right: Value) -> bool:
    """Return ``left < right``. False if one of them is not a number, unless both are text."""
    texts = _texts(left, right)
    if texts is None:
        return to_number(left) < to_number(right)
    return code_units(texts[0]) < code_units(texts[1])


def less_or_equal(left: Value, right: Value) -> bool:
    """Return ``left <= right``. False if one of them is not a number, unless both are text."""
    texts = _texts(left, right)
    if texts is None:
        return to_number(left) <= to_number(right)
    return code_units(texts[0]) <= code_units(texts[1])


def greater_than(left: Value, right: Value) -> bool:
    """Return ``left > right``. False if one of them is not a number, unless both are text."""
    return less_than(right, left)


def greater_or_equal(left: Value, right: Value) -> bool:
    """Return ``left >= right``. False if one of them is not a number, unless both are text."""
    return less_or_equal(right, left)


def _texts(left: Value, right: Value) -> Optional[Tuple[str, str]]:
    """Return the texts of both values if each is text or an object; else None, because they are compared as numbers."""
    if _is_text_or_object(left) and _is_text_or_object(right):
        return to_string(left), to_string(right)
    return None


def _is_text_or_object(value: Value) -> bool:
    return isinstance(value, str) or is_object(value)


# Properties


def get_property(value: Value, key: str) -> Value:
    """Return ``value[key]``: a dict's value, an item or the ``length`` of an array or a string, else UNDEFINED."""
    if isinstance(value, dict):
        try:
            item: Value = value[key]
            return item
        except KeyError:
            return UNDEFINED
    if isinstance(value, str):
        return _item(code_units(value), key)
    return _item(value, key) if isinstance(value, ARRAY) else UNDEFINED


def _item(items: Sequence[Value], key: str) -> Value:
    if key == "length":
        return len(items)
    if _INDEX.fullmatch(key) and int(key) < len(items):
        return items[int(key)]
    return UNDEFINED
