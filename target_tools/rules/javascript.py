"""What JavaScript makes of values, for values as JSON gives them.

Rules are written against JavaScript: ``"5" == 5``, ``null < 1``, ``"abc" < 5`` is false
and so is ``"abc" >= 5``.  Each function here is one of its abstract operations
(ECMA-262, chapter 7), for these kinds of values:

    undefined   UNDEFINED
    null        None
    boolean     bool
    number      int and float; an int counts as the double nearest to it
    string      str, compared and indexed by UTF-16 code units
    object      list and tuple (arrays), dict, and whatever else there may be

What objects inherit is not there: no ``toString``, no ``constructor``.  The functions
raise nothing but ``InvalidRule``, and that only for arrays of enormous nesting.
"""

import math
import re
from typing import Any, Dict, List, Match, Tuple

from target_tools.errors import InvalidRule

#: Values that one array may hold, its arrays' counted too, to be turned into text.
MAX_ITEMS = 1000000

#: Up to here every int is a double.
MAX_SAFE_INTEGER = 2**53

#: What numbers in text may stand between.
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


#: What an argument that is not there evaluates to; JSON cannot hold it.
UNDEFINED = Undefined()

# Kinds of values

NULL, BOOLEAN, NUMBER, STRING, OBJECT = "null", "boolean", "number", "string", "object"
_TYPES: Dict[type, str] = {
    Undefined: "undefined",
    type(None): NULL,
    bool: BOOLEAN,
    int: NUMBER,
    float: NUMBER,
    str: STRING,
    list: OBJECT,
    dict: OBJECT,
}


def type_of(value: Any) -> str:
    """What ``typeof`` says of the value, but ``null`` for None."""
    type_ = _TYPES.get(type(value))
    if type_ is not None:
        return type_
    if isinstance(value, str):
        return STRING
    return NUMBER if isinstance(value, (int, float)) else OBJECT


def is_array(value: Any) -> bool:
    """Whether the value is an array."""
    return isinstance(value, (list, tuple))


def to_boolean(value: Any) -> bool:
    """What ``if (value)`` takes it for: every object is true, also an empty one; NaN is false."""
    type_ = type_of(value)
    return type_ is OBJECT or (bool(value) and not (isinstance(value, float) and math.isnan(value)))


# Numbers


def to_number(value: Any) -> float:
    """The value as a number; NaN where it is none."""
    type_ = type_of(value)
    if type_ is NUMBER:
        return _double(value)
    if type_ is STRING:
        return _text_to_number(value)
    if type_ is BOOLEAN:
        return 1.0 if value else 0.0
    if type_ is OBJECT:
        return _text_to_number(to_string(value))
    return 0.0 if type_ is NULL else math.nan


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


def parse_float(value: Any) -> float:
    """The number that the value's text begins with; NaN if it begins with none."""
    if type_of(value) is NUMBER:
        return _double(value) + 0.0  # the text of -0 is "0"
    number = _DECIMAL.match(to_string(value).lstrip(WHITE_SPACE))
    return float(number.group()) if number else math.nan


def divide(left: Any, right: Any) -> float:
    """``left / right``."""
    dividend, divisor = to_number(left), to_number(right)
    if divisor:
        return dividend / divisor
    if not dividend or math.isnan(dividend):
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1.0, divisor)


def remainder(left: Any, right: Any) -> float:
    """``left % right``: it has the sign of ``left``."""
    dividend, divisor = to_number(left), to_number(right)
    if not divisor or math.isinf(dividend):
        return math.nan
    return math.fmod(dividend, divisor)


# Text


def to_string(value: Any) -> str:
    """The value as text: numbers as JavaScript prints them, arrays joined by commas."""
    type_ = type_of(value)
    if type_ is STRING:
        return str.__str__(value)  # str() of an Enum member is its name
    if type_ is NUMBER:
        return _number_to_text(value)
    if type_ is BOOLEAN:
        return "true" if value else "false"
    if type_ is OBJECT:
        return _array_to_text(value) if is_array(value) else "[object Object]"
    return type_


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
    """The shortest digits that give the positive number back, and how many stand before its decimal point."""
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
    return "{}e{:+d}".format(mantissa, point - 1)


def _array_to_text(array: Any) -> str:
    # Arrays in arrays read as one long list, but an empty one leaves its place empty.
    pieces: List[str] = []
    waiting: List[Any] = [array]
    for _ in range(MAX_ITEMS):
        value = waiting.pop()
        if value is None or value is UNDEFINED:
            pieces.append("")
        elif not is_array(value):
            pieces.append(to_string(value))
        elif value:
            waiting.extend(reversed(value))
        else:
            pieces.append("")
        if not waiting:
            return ",".join(pieces)
    raise InvalidRule("an array holds too much to be turned into text")


def code_units(text: str) -> str:
    """The text with a character for each UTF-16 code unit: what lengths, indexes and the order of texts go by."""
    return text if text.isascii() else _SUPPLEMENTARY.sub(_surrogate_pair, text)


def _surrogate_pair(character: Match[str]) -> str:
    offset = ord(character.group()) - 0x10000
    return chr(0xD800 + (offset >> 10)) + chr(0xDC00 + (offset & 0x3FF))


def from_code_units(units: str) -> str:
    """The text that code units make: pairs of surrogates become one character again."""
    if units.isascii() or not _SURROGATE.search(units):
        return units
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def contains(text: str, part: str) -> bool:
    """Whether ``part`` stands somewhere in ``text``."""
    if part.isascii() or text.isascii():
        return part in text
    return code_units(part) in code_units(text)


def substr(text: str, start: Any, length: Any = UNDEFINED) -> str:
    """``length`` code units from ``start``, which counts from the end if negative; to the end without ``length``."""
    units = code_units(text)
    size = len(units)
    begin = _to_integer(start, size)
    begin = max(size + begin, 0) if begin < 0 else begin
    count = size if length is UNDEFINED else max(_to_integer(length, size), 0)
    return from_code_units(units[begin : begin + count])


def _to_integer(value: Any, size: int) -> int:
    """The value as a whole number, NaN as 0, cut to what makes a difference for a text of that size."""
    number = to_number(value)
    return 0 if math.isnan(number) else int(max(-size, min(size, number)))


# Comparison


def strictly_equal(left: Any, right: Any) -> bool:
    """``left === right``: of one kind and equal; objects only if they are the same one."""
    type_ = type_of(left)
    if type_ is not type_of(right):
        return False
    if type_ is OBJECT:
        return left is right
    if type_ is NUMBER:
        return _double(left) == _double(right)
    return bool(left == right)


def loosely_equal(left: Any, right: Any) -> bool:
    """``left == right``: what is not of one kind is compared as numbers, objects as their text."""
    types = type_of(left), type_of(right)
    if types[0] is types[1]:
        return strictly_equal(left, right)
    if left is None or left is UNDEFINED or right is None or right is UNDEFINED:
        return (left is None or left is UNDEFINED) and (right is None or right is UNDEFINED)
    if types == (OBJECT, STRING):
        return bool(to_string(left) == right)
    if types == (STRING, OBJECT):
        return bool(left == to_string(right))
    return to_number(left) == to_number(right)


def less_than(left: Any, right: Any) -> bool:
    """``left < right``; false where either is not a number and not both are text."""
    low, high = _comparable(left, right)
    return bool(low < high)


def less_or_equal(left: Any, right: Any) -> bool:
    """``left <= right``; false where either is not a number and not both are text."""
    low, high = _comparable(left, right)
    return bool(low <= high)


def _comparable(left: Any, right: Any) -> Tuple[Any, Any]:
    """Two texts in code units, or two numbers."""
    types = type_of(left), type_of(right)
    if types == (NUMBER, NUMBER):
        return _double(left), _double(right)
    left = to_string(left) if types[0] is OBJECT else left
    right = to_string(right) if types[1] is OBJECT else right
    if isinstance(left, str) and isinstance(right, str):
        return code_units(left), code_units(right)
    return to_number(left), to_number(right)


# Properties


def get_property(value: Any, key: str) -> Any:
    """``value[key]``: a dict's value, an item or the ``length`` of an array or a string, else UNDEFINED."""
    if isinstance(value, dict):
        try:
            return value[key]
        except KeyError:
            return UNDEFINED
    if isinstance(value, str):
        return _item(code_units(value), key)
    return _item(value, key) if is_array(value) else UNDEFINED


def _item(items: Any, key: str) -> Any:
    if key == "length":
        return len(items)
    if _INDEX.fullmatch(key) and int(key) < len(items):
        return items[int(key)]
    return UNDEFINED
