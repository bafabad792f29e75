"""One place that offers are decided for: what its rules may ask about, and which of them win."""

from typing import Any, Callable, ClassVar, Dict, List, Mapping, Optional, Sequence, Set

from target_python_sdk.decisioning.context import OnDemand, Parts, Visit, nested
from target_python_sdk.decisioning.rule import Activity, Rule
from target_python_sdk.decisioning.trace import PlaceTrace
from target_tools.errors import InvalidRule, quoted
from target_tools.logger import Log


def _of_the_visit(name: str) -> Callable[[Any], Any]:
    return lambda self: self.visit[name]


class Place(OnDemand):
    """A page load, an mbox or a view.  As a dict it is what rules look their names up in."""

    def __init__(self, visit: Visit, details: Any, property_token: Optional[str], log: Log) -> None:
        self.visit = visit
        self._details = details
        self._property = property_token
        self._log = log
        #: The activity whose rules ask.
        self._activity: Optional[Activity] = None
        #: What explains the decision, where that was asked for.
        self.trace: Optional[PlaceTrace] = None

    def told(self) -> Optional[Dict[str, Any]]:
        """What has been decided so far, and why, where that was asked for."""
        return None if self.trace is None else self.trace.as_dict()

    def winner(self, rules: Sequence[Rule]) -> List[Rule]:
        """The first rule that matches, if any does: they stand in the order of their priority."""
        for rule in rules:
            if self._matches(rule):
                return [rule]
        return []

    def winners(self, rules: Sequence[Rule], decided: Set[Any]) -> List[Rule]:
        """Every rule that matches, one for each ``ruleKey`` that is not among the ``decided`` yet."""
        found = []
        for rule in rules:
            if rule.key not in decided and self._matches(rule):
                decided.add(rule.key)
                found.append(rule)
        return found

    def _matches(self, rule: Rule) -> bool:
        tokens, activity = rule.property_tokens, rule.activity
        if tokens is not None and self._property not in tokens:
            return False
        if activity is not self._activity:  # whose allocation is another
            self._activity = activity
            self.pop("allocation", None)
        try:
            matched = rule.condition(self)
        except InvalidRule as error:
            matched = False
            if self._log.is_new(("rule", rule.key)):
                self._log.warning("A rule of activity %s could not be evaluated: %s", quoted(activity.id, 40), error)
        if self.trace is not None:
            self.trace.note(rule, matched, self)
        return matched

    def _allocation(self) -> Optional[float]:
        return None if self._activity is None else self.visit.allocation(self._activity)

    def _page(self, name: str) -> Any:
        """The page of this place, where it names one, else the request's."""
        own = self._details.address
        return self.visit[name] if own is None else self.visit.page(name, own)

    def _parameters(self) -> Dict[str, Any]:
        given = self._details.parameters
        return nested(given) if isinstance(given, Mapping) else {}

    parts: ClassVar[Parts] = {
        **{name: _of_the_visit(name) for name in Visit.parts},
        "page": lambda self: self._page("page"),
        "referring": lambda self: self._page("referring"),
        "mbox": _parameters,
        "allocation": _allocation,
    }
