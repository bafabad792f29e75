"""Puts JSON-logic conditions into words, without a visitor.

:func:`describe` takes an audience or a whole condition::

    >>> describe({"and": [{"==": [{"var": "user.browserType"}, "chrome"]}, {"in": ["/shoes", {"var": "page.path"}]}]})
    "user.browserType is 'chrome' and page.path contains '/shoes'"

:func:`~target_python_sdk.explain.structure.split_share` separates the share of an experience from its audience, and
:func:`~target_python_sdk.explain.structure.clauses` returns the parts that must all hold. These parts can be described,
too.

Any JSON is accepted, even a condition with an unknown operator. The text is one line of at most ``MAX_TEXT``
characters, without control characters, so it is safe to print. Escape it before you insert it into HTML.

======================================  ======================================================
Condition                               Text
======================================  ======================================================
``{"!": [{"var": "mbox.a"}]}``          ``mbox.a is not set``: missing, empty, 0 or false
``{"==": [{"var": "mbox.a"}, null]}``   ``mbox.a is missing``
``{"===": [{"var": "mbox.a"}, 1]}``     ``mbox.a is exactly 1``: not the text ``'1'``
``{"<": [18, {"var": "a"}, 65]}``       ``a is above 18 and below 65``
``{"<=": [18, {"var": "a"}, 65]}``      ``a is from 18 to 65``
======================================  ======================================================
"""

from typing import Any, Callable, Dict, List, Sequence, Tuple

from target_python_sdk.explain.structure import (
    Choice,
    Operation,
    Range,
    choice_of,
    comparison,
    constant_truth,
    operation,
    range_of,
    split,
    without_not,
)
from target_python_sdk.explain.values import items_text, name_text, value_text
from target_tools.error_text import shown
from target_tools.rules.javascript import to_string
from target_tools.typing_compat import Json

#: The maximum number of characters of a description.
MAX_TEXT = 2000

#: The maximum number of parts of an ``and`` or an ``or`` that are shown.
_MAX_PARTS = 30
#: Parts that are nested deeper are shown as an ellipsis.
_MAX_DEPTH = 16

_EQUALITY = {"==": "is", "===": "is exactly", "!=": "is not", "!==": "is not exactly"}
_OPPOSITE = {"==": "!=", "!=": "==", "===": "!==", "!==": "==="}
_ORDER = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}
_ORDER_OF_TIMES = {"<": "before", "<=": "at or before", ">": "after", ">=": "at or after"}
_TIMES = frozenset({"current_timestamp", "current_time"})
_IF = frozenset({"if", "?:"})
#: Operators whose results are true or false.
_LOGICAL = frozenset({*_EQUALITY, *_ORDER, "and", "or", "!", "!!", "in", "all", "some", "none"})
_LISTS = frozenset({"filter", "map", "reduce"})
_QUANTITY = {"all": "every item", "some": "at least one item", "none": "no item"}
#: The word for a false result of an operator that is used as a condition. For other operators it is "not set".
_FALSE_RESULTS = {
    **dict.fromkeys(("+", "-", "*", "/", "%", "max", "min"), "0"),
    **dict.fromkeys(("cat", "substr", "map", "filter", "merge"), "empty"),
}

#: Functions that put an operation into words if its result is a value. They take the arguments in words.
_VALUES: Dict[str, Callable[[List[str]], str]] = {
    "+": " + ".join,
    "-": lambda texts: " - ".join(texts[:2]) if len(texts) > 1 else f"-{texts[0]}",
    "*": " * ".join,
    "/": " / ".join,
    "%": " modulo ".join,
    "max": lambda texts: f"the largest of {items_text(texts)}",
    "min": lambda texts: f"the smallest of {items_text(texts)}",
    "cat": " followed by ".join,
    "substr": lambda texts: f"the part of {texts[0]} from position {' with length '.join(texts[1:3])}",
    "merge": lambda texts: f"the items of {items_text(texts)}",
    "missing": lambda texts: f"the missing ones of {items_text(texts)}",
    "missing_some": lambda texts: f"the missing ones of {items_text(texts[1:])} if fewer than {texts[0]} are present",
}


def describe(condition: Json) -> str:
    """Return ``condition`` in words.

    The constants true and false are described as "every visitor" and "no visitor".
    """
    text = _Wording().sentence(condition)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


class _Wording:
    """Puts conditions and values into words.

    :param depth: The number of operations around the condition.
    :param item: The words for the item of a loop, if the condition is in its body; otherwise empty. The variables in
        the body are parts of the item.
    """

    def __init__(self, depth: int = 0, item: str = "") -> None:
        self._depth = depth
        self._item = item

    def sentence(self, condition: Json) -> str:
        """Return a condition in words."""
        if self._depth > _MAX_DEPTH:
            return "…"
        inner = _Wording(self._depth + 1, self._item)
        connective, parts = split(condition)
        if not connective:
            return inner._clause(*without_not(parts[0]))
        texts = []
        for part in parts[:_MAX_PARTS]:
            text = inner.sentence(part)
            has_parts = split(part)[0] or (connective == "or" and range_of(without_not(part)[0]))
            texts.append(f"({text})" if has_parts else text)
        if len(parts) > _MAX_PARTS:
            texts.append(f"{len(parts) - _MAX_PARTS} more conditions")
        return f" {connective} ".join(texts)

    def _clause(self, rule: Json, is_negated: bool) -> str:
        """Return ``rule`` in words. Its operator must not be ``and``, ``or`` or ``!``."""
        found, truth = operation(rule), constant_truth(rule)
        if found is None or truth is not None:
            return "every visitor" if truth != is_negated else "no visitor"
        operator, arguments = found
        bounds, choice = range_of(rule), choice_of(rule)
        if bounds is not None:
            return self._range(bounds, is_negated)
        if choice is not None:
            return self._choice(choice, is_negated)
        if operator in _EQUALITY or (operator in _ORDER and len(arguments) < 3):
            return self._comparison(found, is_negated)
        word = _CLAUSES.get(operator)
        return self._other_clause(rule, found, is_negated) if word is None else word(self, arguments, is_negated)

    def _other_clause(self, rule: Json, found: Operation, is_negated: bool) -> str:
        operator, arguments = found
        if operator in _QUANTITY:
            source, inner, body = self._loop(arguments)
            text = f"for {_QUANTITY[operator]} of {source}, {inner.sentence(body)}"
        elif operator in _IF:
            text = self._if(arguments, self.sentence)
        elif operator in _ORDER:
            text = f" {operator} ".join(map(self.operand, arguments[:3]))
        else:
            false_result = _FALSE_RESULTS.get(operator)
            verb = _is(is_negated == (false_result is None))
            return f"{self.operand(rule)} {verb} {false_result or 'set'}"
        return f"not ({text})" if is_negated else text

    def _range(self, bounds: Range, is_negated: bool) -> str:
        low, high = bounds
        order = _order_of(low.variable)
        least, most = (value_text(each.constant, each.variable) for each in bounds)
        if (low.operator, high.operator) == (">=", "<="):
            text = f"from {least} to {most}"
        else:
            text = f"{order[low.operator]} {least} and {order[high.operator]} {most}"
            text = f"({text})" if is_negated else text
        return f"{self._variable(low.variable)} {_is(is_negated)} {text}"

    def _choice(self, choice: Choice, is_negated: bool) -> str:
        variable, constants = choice
        texts = [value_text(each, variable) for each in constants]
        if variable == "current_day" and len(texts) > 2 and _is_run(constants):
            text = f"{_is(is_negated)} from {texts[0]} to {texts[-1]}"
        elif len(texts) < 2:
            text = f"{_is(is_negated)} {texts[0] if texts else 'in an empty list'}"
        else:
            text = f"is {'none' if is_negated else 'one'} of {items_text(texts)}"
        return f"{self._variable(variable)} {text}"

    def _comparison(self, found: Operation, is_negated: bool) -> str:
        operator, arguments = found
        with_constant = comparison({operator: arguments})
        if with_constant is None:
            subject, value = self._pair(arguments)
            order = _ORDER
        else:
            variable, operator, constant = with_constant
            subject, value = self._variable(variable), value_text(constant, variable)
            order = _order_of(variable)
            if operator in _EQUALITY and constant is None:
                return f"{subject} is {'present' if is_negated != operator.startswith('!') else 'missing'}"
            if operator in _EQUALITY and value == repr(""):
                value = "empty"
        if operator in order:
            return f"{subject} {_is(is_negated)} {order[operator]} {value}"
        return f"{subject} {_EQUALITY[_OPPOSITE[operator] if is_negated else operator]} {value}"

    def _in(self, arguments: Sequence[Any], is_negated: bool) -> str:
        item, container = self._pair(arguments)
        whole = arguments[1] if len(arguments) > 1 else None
        if isinstance(whole, dict):
            return f"{container} {'does not contain' if is_negated else 'contains'} {item}"
        return f"{item} {_is(is_negated)} {'part of' if isinstance(whole, str) else 'in'} {container}"

    def _missing(self, names: Sequence[Any], is_negated: bool) -> str:
        texts = self._names(names)
        if len(texts) == 1:
            return f"{texts[0]} is {'present' if is_negated else 'missing'}"
        return f"{'all' if is_negated else 'not all'} of {items_text(texts)} are present"

    def _missing_some(self, arguments: Sequence[Any], is_negated: bool) -> str:
        quantity = f"{'at least' if is_negated else 'fewer than'} {self._pair(arguments[:1])[0]}"
        return f"{quantity} of {items_text(self._names(arguments[1:2]))} are present"

    def _names(self, names: Sequence[Any]) -> List[str]:
        """Return the names of the variables that ``missing`` looks up, in words."""
        if names and isinstance(names[0], list):
            names = names[0]
        return [self._variable(each) if isinstance(each, str) else self.operand(each) for each in names]

    def _loop(self, arguments: Sequence[Any], item: str = "the item") -> Tuple[str, "_Wording", Any]:
        """Return the items of a loop in words, the ``_Wording`` for its body, and the body."""
        source, body = [*arguments[:2], None, None][:2]
        return self.operand(source), _Wording(self._depth, item), body

    def _if(self, arguments: Sequence[Any], word: Callable[[Any], str]) -> str:
        branches = [
            f"if {self.sentence(condition)} then {word(result)}"
            for condition, result in zip(arguments[:-1:2], arguments[1::2])
        ]
        otherwise = word(arguments[-1] if len(arguments) % 2 else None)
        return ", otherwise ".join([*branches, otherwise])

    def _pair(self, arguments: Sequence[Any]) -> Tuple[str, str]:
        left, right = [*map(self.operand, arguments[:2]), "undefined", "undefined"][:2]
        return left, right

    def operand(self, rule: Json) -> str:
        """Return a value in words, in parentheses if it is an operation."""
        found = operation(rule)
        if found is None:
            return self._constant(rule)
        if self._depth > _MAX_DEPTH:
            return "…"
        inner = _Wording(self._depth + 1, self._item)
        return inner._variable_of(found.arguments) if found.operator == "var" else f"({inner._value(rule, found)})"

    def _value(self, rule: Json, found: Operation) -> str:
        operator, arguments = found
        if operator in _LOGICAL:
            return self.sentence(rule)
        if operator in _IF:
            return self._if(arguments, self.operand)
        if operator in _LISTS:
            return self._list(operator, arguments)
        texts = [self.operand(argument) for argument in arguments[:_MAX_PARTS]]
        if operator in _VALUES and texts:
            return _VALUES[operator](texts)
        known = "" if operator in _VALUES else "unknown "
        return f"{known}operator {shown(operator)} of {items_text(texts) or 'nothing'}"

    def _list(self, operator: str, arguments: Sequence[Any]) -> str:
        source, inner, body = self._loop(arguments, "" if operator == "reduce" else "the item")
        if operator == "filter":
            return f"the items of {source} where {inner.sentence(body)}"
        if operator == "map":
            return f"{inner.operand(body)} for each item of {source}"
        start = self.operand(arguments[2] if len(arguments) > 2 else None)
        return f"{inner.operand(body)} over the items of {source}, starting with {start}"

    def _constant(self, value: Json) -> str:
        if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
            if self._depth > _MAX_DEPTH:
                return "…"
            inner = _Wording(self._depth + 1, self._item)
            return f"[{items_text([inner.operand(item) for item in value[:_MAX_PARTS]], len(value[_MAX_PARTS:]))}]"
        return value_text(value)

    def _variable_of(self, arguments: Sequence[Any]) -> str:
        name = arguments[0] if arguments else ""
        if isinstance(name, (dict, list)):
            text = f"the variable named {self.operand(name)}"
        else:
            text = self._variable("" if name is None else to_string(name))
        return text if len(arguments) < 2 else f"{text} (by default {self.operand(arguments[1])})"

    def _variable(self, name: str) -> str:
        if not self._item:
            return name_text(name) if name else "the data"
        return f"{name_text(name)} of {self._item}" if name else self._item


def _is(is_negated: bool) -> str:
    return "is not" if is_negated else "is"


def _order_of(variable: str) -> Dict[str, str]:
    return _ORDER_OF_TIMES if variable in _TIMES else _ORDER


def _is_run(days: Sequence[Any]) -> bool:
    """Return whether the days are consecutive numbers."""
    return all(type(day) is int for day in days) and list(days) == list(range(days[0], days[0] + len(days)))


#: Functions that put a condition into words, by operator. They take its arguments and whether it is negated.
_CLAUSES: Dict[str, Callable[[_Wording, Sequence[Any], bool], str]] = {
    "in": _Wording._in,
    "missing": _Wording._missing,
    "missing_some": _Wording._missing_some,
}
