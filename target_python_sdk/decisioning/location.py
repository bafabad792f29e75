"""One place that offers are decided for: what its rules may ask about, and which of them win."""

from typing import Any, Callable, ClassVar, Dict, List, Mapping, Optional, Sequence, Set

from target_python_sdk.decisioning.context import LazyDict, Parts, RequestContext, nest_parameters
from target_python_sdk.decisioning.rule import BucketedActivity, CompiledRule
from target_python_sdk.decisioning.trace import LocationTrace
from target_tools.errors import InvalidRule, escape_text
from target_tools.logger import Log


def _from_request(name: str) -> Callable[[Any], Any]:
    return lambda self: self.request_context[name]


class Location(LazyDict):
    """A page load, an mbox or a view.  As a dict it is what rules look their names up in."""

    def __init__(self, request_context: RequestContext, details: Any, property_token: Optional[str], log: Log) -> None:
        self.request_context = request_context
        self._details = details
        self._property = property_token
        self._log = log
        #: The activity whose rules ask.
        self._activity: Optional[BucketedActivity] = None
        #: What explains the decision, where that was asked for.
        self.trace: Optional[LocationTrace] = None

    def trace_as_dict(self) -> Optional[Dict[str, Any]]:
        """What has been decided so far, and why, where that was asked for."""
        return None if self.trace is None else self.trace.as_dict()

    def first_match(self, rules: Sequence[CompiledRule]) -> List[CompiledRule]:
        """The first rule that matches, if any does: they stand in the order of their priority."""
        for rule in rules:
            if self._matches(rule):
                return [rule]
        return []

    def all_matches(self, rules: Sequence[CompiledRule], decided: Set[Any]) -> List[CompiledRule]:
        """Every rule that matches, one for each ``ruleKey`` that is not among the ``decided`` yet."""
        found = []
        for rule in rules:
            if rule.key not in decided and self._matches(rule):
                decided.add(rule.key)
                found.append(rule)
        return found

    def _matches(self, rule: CompiledRule) -> bool:
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
            if self._log.first_time(("rule", rule.key)):
                activity_id = escape_text(activity.id, 40)
                self._log.warning("A rule of activity %s could not be evaluated: %s", activity_id, error)
        if self.trace is not None:
            self.trace.add_rule(rule, matched, self)
        return matched

    def _allocation(self) -> Optional[float]:
        return None if self._activity is None else self.request_context.allocation(self._activity)

    def _page(self, name: str) -> Any:
        """The page of this place, where it names one, else the request's."""
        own = self._details.address
        return self.request_context[name] if own is None else self.request_context.page(name, own)

    def _parameters(self) -> Dict[str, Any]:
        given = self._details.parameters
        return nest_parameters(given) if isinstance(given, Mapping) else {}

    parts: ClassVar[Parts] = {
        **{name: _from_request(name) for name in RequestContext.parts},
        "page": lambda self: self._page("page"),
        "referring": lambda self: self._page("referring"),
        "mbox": _parameters,
        "allocation": _allocation,
    }
