"""Which rules win at one place: a page load, an mbox or a view."""

from typing import Any, List, Optional, Sequence, Set

from target_python_sdk.decisioning.context import Circumstances, Visit
from target_python_sdk.decisioning.rule import Rule
from target_python_sdk.decisioning.trace import PlaceTrace
from target_tools.errors import InvalidRule, quoted
from target_tools.logger import Log


class Place:
    """One place that offers are decided for, and for whom."""

    def __init__(self, visit: Visit, details: Any, property_token: Optional[str], log: Log) -> None:
        #: What the rules may ask about.
        self.circumstances = Circumstances(visit, details)
        #: What explains the decision, where that was asked for.
        self.trace: Optional[PlaceTrace] = None
        self._property = property_token
        self._log = log

    def winner(self, rules: Sequence[Rule]) -> List[Rule]:
        """The first rule that matches, if any does: they stand in the order of their priority."""
        for rule in rules:
            if self._matches(rule):
                return [rule]
        return []

    def winners(self, rules: Sequence[Rule], decided: Set[str]) -> List[Rule]:
        """Every rule that matches, one for each ``ruleKey`` that is not among the ``decided`` yet."""
        found = []
        for rule in rules:
            if rule.key not in decided and self._matches(rule):
                decided.add(rule.key)
                found.append(rule)
        return found

    def _matches(self, rule: Rule) -> bool:
        tokens, circumstances = rule.property_tokens, self.circumstances
        if tokens is not None and self._property not in tokens:
            return False
        if rule.activity is not circumstances.activity:
            circumstances.enter(rule.activity)
        try:
            matched = rule.condition(circumstances)
        except InvalidRule as error:
            matched = False
            if self._log.is_new(("rule", rule.key)):
                number = quoted(rule.activity.id, 40)
                self._log.warning("A rule of activity %s could not be evaluated: %s", number, error)
        if self.trace is not None:
            self.trace.note(rule, matched)
        return matched
