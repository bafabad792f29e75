"""Compiles JSON-logic rules to closures, with JavaScript's value semantics.

``compile_rule`` returns a function of the data. It is a closure over the closures of the rule's arguments, so an
evaluation does not read the rule again.

    >>> is_adult = compile_rule({">=": [{"var": "age"}, 18]})
    >>> is_adult({"age": "40"})
    True

An object with one key is an operation. An array evaluates to the results of its items. Any other JSON value is a
constant. Operators and results are those of json-logic-js, without ``log``. Three differences protect against malicious
rules and data:

* Unknown operators, and rules that are too large or nested too deeply, are rejected at compile time, even in branches
  that are never evaluated.
* Data is never run as a rule, and only its own properties can be read. If JavaScript would throw because of the data,
  the operation evaluates to None or False.
* The work of an evaluation is limited, and so is that of all evaluations of a decision, if the data has ``limits``.

Pass the same ``ClosureCache`` for all rules of an artifact, so that common parts are compiled once.

``operators`` contains the operators, and ``loop_operators`` those that loop or grow a value. ``fast_paths`` compiles
the most common forms of rules to faster closures.
"""

from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple, cast

from target_tools.errors import InvalidRule, escape_text
from target_tools.rules.fast_paths import FAST_PATHS, compile_range
from target_tools.rules.javascript import Value, to_boolean
from target_tools.rules.loop_operators import GROWING_OPERATORS, LOOP_OPERATORS, Budget
from target_tools.rules.operators import (
    OPERATORS,
    ClosureCache,
    Evaluate,
    check_time,
    constant,
    operator_evaluator,
)

#: The maximum nesting of a rule.
MAX_DEPTH = 100
#: The maximum number of parts of a rule: operations, arrays and values. Values in an array without operations count a
#: sixteenth, and text counts one more per 1,024 characters. The arguments of an operation with a fast path are not
#: counted; a range counts three.
MAX_NODES = 10000

#: The number of parts between two checks of the time in a long rule.
CHECKED_NODES = 64

#: Evaluates a condition for some data.
Condition = Callable[[Any], bool]

#: Operators that always evaluate to a bool.
_BOOLEAN = frozenset({"==", "===", "!=", "!==", "<", "<=", ">", ">=", "!", "!!", "in", "all", "none", "some"})
#: Operators that evaluate to one of their arguments.
_SHORT_CIRCUIT = frozenset({"and", "or"})


def compile_rule(rule: Value, cache: Optional[ClosureCache] = None) -> Evaluate:
    """Return a function that evaluates ``rule`` for some data.

    The function may return JavaScript values that JSON does not have: ``UNDEFINED``, NaN, infinities. If an evaluation
    exceeds its limits, the function raises ``InvalidRule`` or the error of ``limits.check_time``, and nothing else.

    Raises ``InvalidRule`` if ``rule`` is invalid.
    """
    return _RuleCompiler(cache or ClosureCache()).compile_rule(rule)


def compile_condition(rule: Value, cache: Optional[ClosureCache] = None) -> Condition:
    """Return a function that evaluates ``rule``, and converts the result to a bool as JavaScript's ``if`` does."""
    evaluate = compile_rule(rule, cache)
    if _is_boolean(rule):
        return cast("Condition", evaluate)
    return lambda data: to_boolean(evaluate(data))


def _is_boolean(rule: Value) -> bool:
    """Return whether the rule always evaluates to a bool and needs no conversion."""
    if not isinstance(rule, dict) or len(rule) != 1:
        return isinstance(rule, bool)
    name, arguments = _operator_and_arguments(rule)
    return name in _BOOLEAN or (name in _SHORT_CIRCUIT and bool(arguments) and all(map(_is_boolean, arguments)))


def _operator_and_arguments(rule: Mapping[str, Value]) -> Tuple[str, Sequence[Value]]:
    """Return the operator and its arguments. A single argument need not be in an array."""
    ((name, arguments),) = rule.items()
    return name, arguments if isinstance(arguments, (list, tuple)) else (arguments,)


def _with_check_of_time(evaluate: Evaluate) -> Evaluate:
    def checked(data: Value) -> Value:
        check_time(data)
        return evaluate(data)

    return checked


class _RuleCompiler:
    """Compiles one rule. Counts its parts (``nodes``), and creates a budget for its evaluations if it needs one."""

    __slots__ = ("budget", "cache", "checked_nodes", "nodes")

    def __init__(self, cache: ClosureCache) -> None:
        self.cache = cache
        self.nodes = 0
        #: The number of parts at the last check of the time.
        self.checked_nodes = 0
        self.budget: Optional[Budget] = None

    def compile_rule(self, rule: Value) -> Evaluate:
        evaluate = self.compile(rule, 0)
        return evaluate if self.budget is None else self.budget.wrap(evaluate)

    def compile(self, rule: Value, depth: int) -> Evaluate:
        if not isinstance(rule, (dict, list, tuple)):
            return self._compile_constant(rule)
        if depth > MAX_DEPTH:
            raise InvalidRule(f"a rule is nested more than {MAX_DEPTH} levels deep")
        if not isinstance(rule, dict):
            return self._compile_array(rule, depth)
        self._count_nodes(1)
        if len(rule) != 1:
            return constant(rule)
        evaluate = self._compile_operation(rule, depth)
        if self.nodes - self.checked_nodes < CHECKED_NODES:
            return evaluate
        self.checked_nodes = self.nodes
        return _with_check_of_time(evaluate)

    def _compile_constant(self, value: Value) -> Evaluate:
        if not isinstance(value, str):
            self._count_nodes(1)
            return constant(value)
        self._count_nodes(1 + len(value) // 1024)
        return self.cache.get(constant, value) if value.__class__ is str else constant(value)

    def _compile_operation(self, rule: Mapping[str, Value], depth: int) -> Evaluate:
        name, arguments = _operator_and_arguments(rule)
        fast_path = FAST_PATHS.get(name)
        evaluate = (
            self._compile_range(name, arguments, depth) if fast_path is None else fast_path(arguments, self.cache)
        )
        if evaluate is not None:
            return evaluate
        if name in OPERATORS:
            return self.cache.get(operator_evaluator, name, *self._compile_all(arguments, depth))
        if name in GROWING_OPERATORS:
            return GROWING_OPERATORS[name](self._budget(), self._compile_all(arguments, depth))
        if name in LOOP_OPERATORS:
            return self._compile_loop(name, arguments, depth)
        raise InvalidRule(f"a rule has an unknown operator: {escape_text(name, 40)}")

    def _compile_range(self, name: str, arguments: Sequence[Value], depth: int) -> Optional[Evaluate]:
        if name != "and" or depth == MAX_DEPTH:
            return None
        evaluate = compile_range(arguments, self.cache)
        if evaluate is not None:
            self._count_nodes(2)  # one for each comparison, in addition to the "and"
        return evaluate

    def _compile_loop(self, name: str, arguments: Sequence[Value], depth: int) -> Evaluate:
        around = self._compile_all([*arguments[:1], *arguments[2:]], depth)
        before = self.nodes
        body = self._compile_all(arguments[1:2], depth)
        return LOOP_OPERATORS[name](self._budget(), self.nodes - before, [*around[:1], *body, *around[1:]])

    def _compile_array(self, items: Sequence[Value], depth: int) -> Evaluate:
        if any(isinstance(item, (dict, list, tuple)) for item in items):
            self._count_nodes(1)
            evaluations = self._compile_all(items, depth)
            return lambda data: [evaluate(data) for evaluate in evaluations]
        self._count_nodes(1 + len(items) // 16)
        return lambda data: list(items)

    def _compile_all(self, rules: Sequence[Value], depth: int) -> List[Evaluate]:
        return [self.compile(rule, depth + 1) for rule in rules]

    def _count_nodes(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise InvalidRule(f"a rule holds more than {MAX_NODES} parts")

    def _budget(self) -> Budget:
        if self.budget is None:
            self.budget = Budget()
        return self.budget
