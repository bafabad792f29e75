"""A location for which offers are decided: the data that conditions read, and the search for matching rules."""

from typing import Any, Callable, ClassVar, Dict, List, Mapping, Optional, Sequence, Set, Union

from target_python_sdk.decisioning.context import Getters, LazyDict, PageVariables, RequestContext, nest_parameters
from target_python_sdk.decisioning.rule import BucketedActivity, CompiledRule
from target_python_sdk.decisioning.trace import LocationTrace
from target_python_sdk.types import MboxRequest, ViewRequest
from target_tools.errors import InvalidRule, escape_text
from target_tools.logger import Log

Details = Union[MboxRequest, ViewRequest]


def _from_request(name: str) -> Callable[[Any], Any]:
    return lambda self: self.request_context[name]


class Location(LazyDict):
    """A page load, an mbox or a view, as a dict of the data that conditions read."""

    def __init__(
        self, request_context: RequestContext, details: Details, property_token: Optional[str], log: Log
    ) -> None:
        self.request_context = request_context
        self._details = details
        self._property = property_token
        self._log = log
        #: The activity of the rule that is being evaluated.
        self._activity: Optional[BucketedActivity] = None
        #: None unless the request asks for a trace.
        self.trace: Optional[LocationTrace] = None

    def trace_as_dict(self) -> Optional[Dict[str, Any]]:
        """Return the trace so far, or None."""
        return None if self.trace is None else self.trace.as_dict()

    def first_match(self, rules: Sequence[CompiledRule]) -> List[CompiledRule]:
        """Return a list with the first rule that matches, or an empty list. ``rules`` are in order of priority."""
        for rule in rules:
            if self._matches(rule):
                return [rule]
        return []

    def all_matches(self, rules: Sequence[CompiledRule], decided: Set[Any]) -> List[CompiledRule]:
        """Return the first matching rule of each ``ruleKey`` that is not in ``decided``, and add the keys to it."""
        matches = []
        for rule in rules:
            if rule.key not in decided and self._matches(rule):
                decided.add(rule.key)
                matches.append(rule)
        return matches

    def _matches(self, rule: CompiledRule) -> bool:
        tokens, activity = rule.property_tokens, rule.activity
        if tokens is not None and self._property not in tokens:
            return False
        if activity is not self._activity:  # allocation is computed for each activity
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

    def _page(self, name: str) -> PageVariables:
        """Return the ``page`` or ``referring`` page of this location, by default that of the request."""
        address = self._details.address
        if address is None:
            page: PageVariables = self.request_context[name]
            return page
        return self.request_context.page(name, address)

    def _parameters(self) -> Dict[str, Any]:
        parameters = self._details.parameters
        return nest_parameters(parameters) if isinstance(parameters, Mapping) else {}

    getters: ClassVar[Getters] = {
        **{name: _from_request(name) for name in RequestContext.getters},
        "page": lambda self: self._page("page"),
        "referring": lambda self: self._page("referring"),
        "mbox": _parameters,
        "allocation": _allocation,
    }
