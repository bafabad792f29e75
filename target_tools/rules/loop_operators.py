"""JSON-logic's operators that loop or grow a value, and the budget that limits them.

The cost of all other operators is proportional to the length of the rule. The cost of these multiplies: nested loops,
or a ``reduce`` that doubles a text. So each evaluation has a budget of steps. Evaluating one part of a rule for one
item costs a step, and more if the item is large. Rules without these operators have no budget and no overhead.
"""

import threading
from typing import Any, Callable, Dict, List

from target_tools.errors import InvalidRule
from target_tools.rules.javascript import UNDEFINED, from_code_units, is_array, to_string
from target_tools.rules.operators import Arguments, Evaluate, constant, is_truthy, pad_arguments

#: The steps of one evaluation.
MAX_STEPS = 100000
#: Characters that cost one step.
CHARACTERS_PER_STEP = 64


class Budget(threading.local):
    """The remaining steps of the current evaluation, separately for each thread."""

    left = 0

    def wrap(self, evaluate: Evaluate) -> Evaluate:
        """Return a closure that resets the budget before each evaluation."""

        def bounded(data: Any) -> Any:
            self.left = MAX_STEPS
            return evaluate(data)

        return bounded

    def spend(self, steps: int) -> None:
        """Spend ``steps``. Raises ``InvalidRule`` if too few are left."""
        self.left -= steps
        if self.left < 0:
            raise InvalidRule(f"the evaluation of a rule takes more than {MAX_STEPS} steps")

    def cost_of(self, value: Any) -> int:
        """Return the steps for ``value``, by its length and items. Stops counting when the budget is spent."""
        if isinstance(value, str):
            return len(value) // CHARACTERS_PER_STEP
        if not is_array(value):
            return 0
        total = 0
        waiting = [value]
        while waiting and total <= self.left:
            item = waiting.pop()
            if isinstance(item, str):
                total += len(item) // CHARACTERS_PER_STEP
            elif is_array(item):
                total += len(item)
                waiting.extend(item)
        return total


Loop = Callable[[Budget, int, Arguments], Evaluate]
GrowingOperator = Callable[[Budget, Arguments], Evaluate]


def _metered(budget: Budget, parts: int, body: Evaluate) -> Evaluate:
    """Return the closure of a loop's body that spends steps for each item."""

    def evaluate(item: Any) -> Any:
        budget.spend(parts * (1 + budget.cost_of(item)))
        return body(item)

    return evaluate


def _as_array(value: Any) -> Any:
    return value if is_array(value) else ()


# Loops: the body is evaluated for each item, with the item as its data


def _map(budget: Budget, parts: int, arguments: Arguments) -> Evaluate:
    source, body = pad_arguments(arguments, 2)
    body = _metered(budget, parts, body)
    return lambda data: [body(item) for item in _as_array(source(data))]


def _filter(budget: Budget, parts: int, arguments: Arguments) -> Evaluate:
    source, body = pad_arguments(arguments, 2)
    body = _metered(budget, parts, body)
    return lambda data: [item for item in _as_array(source(data)) if is_truthy(body(item))]


def _some(budget: Budget, parts: int, arguments: Arguments) -> Evaluate:
    source, body = pad_arguments(arguments, 2)
    body = _metered(budget, parts, body)
    return lambda data: any(is_truthy(body(item)) for item in _as_array(source(data)))


def _none(budget: Budget, parts: int, arguments: Arguments) -> Evaluate:
    some = _some(budget, parts, arguments)
    return lambda data: not some(data)


def _all(budget: Budget, parts: int, arguments: Arguments) -> Evaluate:
    source, body = pad_arguments(arguments, 2)
    body = _metered(budget, parts, body)

    def all_of_some(data: Any) -> bool:
        items = _as_array(source(data))
        return bool(items) and all(is_truthy(body(item)) for item in items)

    return all_of_some


def _reduce(budget: Budget, parts: int, arguments: Arguments) -> Evaluate:
    source, body, initial = pad_arguments(arguments, 3)
    if len(arguments) < 3:
        initial = constant(None)

    def reduced(data: Any) -> Any:
        items, accumulator = _as_array(source(data)), initial(data)
        for item in items:
            budget.spend(parts * (1 + budget.cost_of(item) + budget.cost_of(accumulator)))
            accumulator = body({"current": item, "accumulator": accumulator})
        budget.spend(budget.cost_of(accumulator))
        return accumulator

    return reduced


# Operators that grow a value


def _cat(budget: Budget, arguments: Arguments) -> Evaluate:
    def joined(data: Any) -> str:
        pieces = [_text_of(argument(data)) for argument in arguments]
        budget.spend(sum(map(len, pieces)) // CHARACTERS_PER_STEP)
        return from_code_units("".join(pieces))

    return joined


def _text_of(value: Any) -> str:
    return "" if value is None or value is UNDEFINED else to_string(value)


def _merge(budget: Budget, arguments: Arguments) -> Evaluate:
    def merged(data: Any) -> List[Any]:
        whole: List[Any] = []
        for argument in arguments:
            value = argument(data)
            items = value if is_array(value) else [value]
            budget.spend(len(items))
            whole.extend(items)
        return whole

    return merged


LOOP_OPERATORS: Dict[str, Loop] = {
    "map": _map,
    "filter": _filter,
    "reduce": _reduce,
    "all": _all,
    "none": _none,
    "some": _some,
}
GROWING_OPERATORS: Dict[str, GrowingOperator] = {"cat": _cat, "merge": _merge}
