"""JSON-logic rules, compiled once and evaluated many times, with JavaScript's value semantics.

``compile_rule`` walks a rule and returns a function of the data: a closure that holds
the closures of its arguments.  Evaluating never looks at the rule again.

    >>> is_adult = compile_rule({">=": [{"var": "age"}, 18]})
    >>> is_adult({"age": "40"})
    True

An object with one key is an operation, whatever else JSON knows stands for itself, and
an array for what its items evaluate to.  Operators and results are those of
json-logic-js, without ``log``.  Three things differ, because they must not be left to
a downloaded rule or to what a visitor sends:

* What cannot be compiled is refused when compiling, also where no evaluation would
  come to it: an unknown operator, a rule too large or nested too deeply.
* Data is never run as a rule, and has no properties but its own.  Where JavaScript
  would throw because of the data, the operation evaluates to None or False.
* An evaluation does a bounded amount of work.

Who compiles many rules passes one ``Shelf`` with all of them: what they have in common
is made once then.

The operators stand in ``json_logic_operators``, those that repeat or grow something in
``json_logic_loops``, and in ``json_logic_shortcuts`` and ``json_logic_bounds`` the shapes
that nearly all rules have.
"""

from typing import Any, Callable, List, Optional, Sequence, Tuple

from target_tools.errors import InvalidRule, escape_text
from target_tools.rules.fast_paths import FAST_PATHS
from target_tools.rules.javascript import to_boolean
from target_tools.rules.loop_operators import GROWING_OPERATORS, LOOP_OPERATORS, Budget
from target_tools.rules.number_ranges import COMPARISON_FAST_PATHS, compile_range
from target_tools.rules.operators import OPERATORS, ClosureCache, Evaluate, constant, operator_evaluator

#: Levels of nesting that a rule may have.
MAX_DEPTH = 100
#: Parts that it may hold: operations, arrays, values.  Values in an array of nothing else count a sixteenth, and a
#: text counts one more for each 1,024 characters.
MAX_NODES = 10000

#: Operators that evaluate to a bool, whatever their arguments.
_BOOLEAN = frozenset({"==", "===", "!=", "!==", "<", "<=", ">", ">=", "!", "!!", "in", "all", "none", "some"})
#: Operators that evaluate to one of their arguments.
_SHORT_CIRCUIT = frozenset({"and", "or"})
_FAST_PATHS = {**FAST_PATHS, **COMPARISON_FAST_PATHS}


def compile_rule(rule: Any, cache: Optional[ClosureCache] = None) -> Callable[[Any], Any]:
    """The function that evaluates ``rule`` for some data.

    What JSON cannot hold it gives as JavaScript has it: ``UNDEFINED``, NaN, infinities.
    ``shelf`` is for all the rules that are compiled together.
    Raises ``InvalidRule``; so does the function where an evaluation passes its bounds,
    and it raises nothing else.
    """
    return _RuleCompiler(cache or ClosureCache()).compile_rule(rule)


def compile_condition(rule: Any, cache: Optional[ClosureCache] = None) -> Callable[[Any], bool]:
    """The function that says whether ``rule`` holds for some data, as JavaScript's ``if`` takes its result."""
    evaluate = compile_rule(rule, cache)
    if _is_boolean(rule):
        return evaluate
    return lambda data: to_boolean(evaluate(data))


def _is_boolean(rule: Any) -> bool:
    """Whether the rule evaluates to a bool, so that there is nothing to convert."""
    if not isinstance(rule, dict) or len(rule) != 1:
        return isinstance(rule, bool)
    name, arguments = _operator_and_arguments(rule)
    return name in _BOOLEAN or (name in _SHORT_CIRCUIT and bool(arguments) and all(map(_is_boolean, arguments)))


def _operator_and_arguments(rule: Any) -> Tuple[Any, Sequence[Any]]:
    """The operator and its arguments; one that is no array stands for itself alone."""
    ((name, arguments),) = rule.items()
    return name, arguments if isinstance(arguments, (list, tuple)) else (arguments,)


class _RuleCompiler:
    """What compiling one rule counts, and the budget of its evaluations, if it needs one."""

    __slots__ = ("budget", "cache", "nodes")

    def __init__(self, cache: ClosureCache) -> None:
        self.cache = cache
        self.nodes = 0
        self.budget: Optional[Budget] = None

    def compile_rule(self, rule: Any) -> Evaluate:
        evaluate = self.compile(rule, 0)
        return evaluate if self.budget is None else self.budget.wrap(evaluate)

    def compile(self, rule: Any, depth: int) -> Evaluate:
        if not isinstance(rule, (dict, list, tuple)):
            return self._compile_constant(rule)
        if depth > MAX_DEPTH:
            raise InvalidRule("a rule is nested more than {} levels deep".format(MAX_DEPTH))
        if not isinstance(rule, dict):
            return self._compile_array(rule, depth)
        self._count_nodes(1)
        return self._compile_operation(rule, depth) if len(rule) == 1 else constant(rule)

    def _compile_constant(self, value: Any) -> Evaluate:
        if not isinstance(value, str):
            self._count_nodes(1)
            return constant(value)
        self._count_nodes(1 + len(value) // 1024)
        return self.cache.get(constant, value) if value.__class__ is str else constant(value)

    def _compile_operation(self, rule: Any, depth: int) -> Evaluate:
        name, arguments = _operator_and_arguments(rule)
        fast_path = _FAST_PATHS.get(name)
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
        raise InvalidRule("a rule has an operator that is not known: {}".format(escape_text(name, 40)))

    def _compile_range(self, name: str, arguments: Sequence[Any], depth: int) -> Optional[Evaluate]:
        if name != "and" or depth == MAX_DEPTH:
            return None
        evaluate = compile_range(arguments, self.cache)
        if evaluate is not None:
            self._count_nodes(2)  # as if each bound was compiled
        return evaluate

    def _compile_loop(self, name: str, arguments: Sequence[Any], depth: int) -> Evaluate:
        around = self._compile_all([*arguments[:1], *arguments[2:]], depth)
        before = self.nodes
        body = self._compile_all(arguments[1:2], depth)
        return LOOP_OPERATORS[name](self._budget(), self.nodes - before, [*around[:1], *body, *around[1:]])

    def _compile_array(self, items: Sequence[Any], depth: int) -> Evaluate:
        if any(isinstance(item, (dict, list, tuple)) for item in items):
            self._count_nodes(1)
            evaluations = self._compile_all(items, depth)
            return lambda data: [evaluate(data) for evaluate in evaluations]
        self._count_nodes(1 + len(items) // 16)
        return lambda data: list(items)

    def _compile_all(self, rules: Sequence[Any], depth: int) -> List[Evaluate]:
        return [self.compile(rule, depth + 1) for rule in rules]

    def _count_nodes(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise InvalidRule("a rule holds more than {} parts".format(MAX_NODES))

    def _budget(self) -> Budget:
        if self.budget is None:
            self.budget = Budget()
        return self.budget
