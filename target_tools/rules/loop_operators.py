"""JSON-logic's operators that loop or grow a value, and the limits of evaluations.

The cost of all other operators is proportional to the length of the rule and of the values that the rule reads. The
cost of loops can multiply, in nested loops or in a ``reduce`` that doubles a text. So each evaluation has a budget of
steps. Evaluating one part of a rule for one item costs a step, and more if the item is large. Rules that neither loop
nor grow a value have no budget and no overhead.

The data of a rule can have an attribute ``limits``, which the evaluations of one decision share: the steps that are
left for all of them, and their deadline. Loops and long rules check the time.
"""

import threading
from typing import Callable, Dict, List, Optional, Sequence

from target_tools.errors import InvalidRule
from target_tools.rules.javascript import ARRAY, Value, from_code_units, is_nullish, to_string
from target_tools.rules.operators import Arguments, Evaluate, Limits, constant, is_truthy, pad_arguments

#: The maximum number of steps of one evaluation, and of all evaluations of a decision.
MAX_STEPS = 100000
MAX_DECISION_STEPS = 1000000
#: The steps between two checks of the time.
CHECK_INTERVAL = 1000
#: Characters that cost one step.
CHARACTERS_PER_STEP = 64


class Budget(threading.local):
    """The remaining steps of the current evaluation, separately for each thread."""

    left = 0
    #: The steps that the evaluation began with, and the remaining steps at the next check of the time.
    _granted, _next_check = 0, 0
    _limits: Optional[Limits] = None

    def wrap(self, evaluate: Evaluate) -> Evaluate:
        """Return a closure that resets the budget for each evaluation."""

        def bounded(data: Value) -> Value:
            limits: Optional[Limits] = getattr(data, "limits", None)
            granted = MAX_STEPS if limits is None else min(MAX_STEPS, limits.steps_left)
            # A signal handler can evaluate the same rule during an evaluation.
            outer = self.left, self._granted, self._next_check, self._limits
            self.left = self._granted = granted
            self._next_check, self._limits = granted - CHECK_INTERVAL, limits
            try:
                return evaluate(data)
            finally:
                if limits is not None:
                    limits.steps_left -= granted - max(0, self.left)
                self.left, self._granted, self._next_check, self._limits = outer

        return bounded

    def spend(self, steps: int) -> None:
        """Spend ``steps``. Raises ``InvalidRule`` if too few are left, and an error if the time is up."""
        self.left -= steps
        if self.left < self._next_check or self.left < 0:
            self._check()

    def _check(self) -> None:
        if self.left < 0:
            if self._granted < MAX_STEPS:
                raise InvalidRule(f"the rules of a call take more than {MAX_DECISION_STEPS} steps")
            raise InvalidRule(f"the evaluation of a rule takes more than {MAX_STEPS} steps")
        if self._limits is not None:
            self._limits.check_time()
        self._next_check = self.left - CHECK_INTERVAL

    def cost_of(self, value: Value) -> int:
        """Return the steps for the texts and arrays in ``value``. Stops counting when the budget is spent."""
        total = 0
        waiting: List[Value] = [value]
        while waiting and total <= self.left:
            item = waiting.pop()
            if isinstance(item, str):
                total += len(item) // CHARACTERS_PER_STEP
            elif isinstance(item, ARRAY):
                total += len(item)
                waiting.extend(item)
        return total


Loop = Callable[[Budget, int, Arguments], Evaluate]
GrowingOperator = Callable[[Budget, Arguments], Evaluate]


def _metered(budget: Budget, parts: int, body: Evaluate) -> Evaluate:
    """Wrap the body of a loop so that it spends steps for each item. ``parts`` is the number of parts of the body."""

    def evaluate(item: Value) -> Value:
        budget.spend(parts * (1 + budget.cost_of(item)))
        return body(item)

    return evaluate


def _as_array(value: Value) -> Sequence[Value]:
    return value if isinstance(value, ARRAY) else ()


# Loops: the body is evaluated for each item, with the item as its data


def _loop(function: Callable[[Sequence[Value], Evaluate], Value]) -> Loop:
    """Return the operator that passes the items and the body of a loop to ``function``."""

    def operator(budget: Budget, parts: int, arguments: Arguments) -> Evaluate:
        source, body = pad_arguments(arguments, 2)
        metered = _metered(budget, parts, body)
        return lambda data: function(_as_array(source(data)), metered)

    return operator


def _reduce(budget: Budget, parts: int, arguments: Arguments) -> Evaluate:
    source, body, initial = pad_arguments(arguments, 3)
    if len(arguments) < 3:
        initial = constant(None)

    def reduced(data: Value) -> Value:
        items, accumulator = _as_array(source(data)), initial(data)
        for item in items:
            budget.spend(parts * (1 + budget.cost_of(item) + budget.cost_of(accumulator)))
            accumulator = body({"current": item, "accumulator": accumulator})
        budget.spend(budget.cost_of(accumulator))
        return accumulator

    return reduced


# Operators that grow a value


def _cat(budget: Budget, arguments: Arguments) -> Evaluate:
    def joined(data: Value) -> str:
        pieces = [_text_of(argument(data)) for argument in arguments]
        budget.spend(sum(map(len, pieces)) // CHARACTERS_PER_STEP)
        return from_code_units("".join(pieces))

    return joined


def _text_of(value: Value) -> str:
    return "" if is_nullish(value) else to_string(value)


def _merge(budget: Budget, arguments: Arguments) -> Evaluate:
    def merged(data: Value) -> List[Value]:
        whole: List[Value] = []
        for argument in arguments:
            value = argument(data)
            items = value if isinstance(value, ARRAY) else [value]
            budget.spend(len(items))
            whole.extend(items)
        return whole

    return merged


LOOP_OPERATORS: Dict[str, Loop] = {
    "map": _loop(lambda items, body: [body(item) for item in items]),
    "filter": _loop(lambda items, body: [item for item in items if is_truthy(body(item))]),
    "reduce": _reduce,
    "all": _loop(lambda items, body: bool(items) and all(is_truthy(body(item)) for item in items)),
    "none": _loop(lambda items, body: not any(is_truthy(body(item)) for item in items)),
    "some": _loop(lambda items, body: any(is_truthy(body(item)) for item in items)),
}
GROWING_OPERATORS: Dict[str, GrowingOperator] = {"cat": _cat, "merge": _merge}
