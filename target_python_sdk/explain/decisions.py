"""Explains a decision of the engine: records which rules matched, then evaluates each clause of their conditions."""

from typing import Dict, List, Optional, Sequence, Tuple

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.context import LazyDict, LocationContext
from target_python_sdk.decisioning.engine import DecisionBuilder, DecisionRequest, EngineContext
from target_python_sdk.decisioning.geo_names import with_comparable_names
from target_python_sdk.decisioning.macros import Details
from target_python_sdk.decisioning.offer import DecisionMode, Display
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.decisioning.trace import LocationTrace
from target_python_sdk.explain.explanation import Clause, LocationExplanation, RuleExplanation, Seen
from target_python_sdk.explain.structure import clauses, split, split_share, variables
from target_python_sdk.explain.values import items_text, name_text
from target_python_sdk.explain.wording import describe
from target_python_sdk.types import PageLoadResponse, RequestDetails
from target_tools.error_text import suggestion
from target_tools.errors import InvalidRule
from target_tools.rules.compiler import compile_rule
from target_tools.rules.javascript import Value, to_string
from target_tools.rules.loop_operators import MAX_DECISION_STEPS
from target_tools.rules.operators import ClosureCache, get_variable, is_truthy
from target_tools.typing_compat import Json, JsonObject

#: Limits for explaining the parts of a clause separately: their level of nesting, and their number.
_MAX_NESTING, _MAX_PARTS = 4, 50


def explain_decision(
    artifact: Artifact, decision_request: DecisionRequest, engine: EngineContext
) -> List[LocationExplanation]:
    """Return the explanations for all locations of a request. Raises ``DeadlineExceeded``."""
    builder = _RecordingBuilder(artifact, decision_request, engine)
    request = decision_request.request
    if request.execute is not None:
        builder.execute(request.execute)
    if request.prefetch is not None:
        builder.prefetch(request.prefetch)
    token = None if request._property is None else request._property.token
    return [_LocationExplainer(artifact, record, token).explanation() for record in builder.records]


class _Record(LocationTrace):
    """Records the decision for one location, in place of a trace."""

    def __init__(self, kind: str, name: str, mode: str, context: LocationContext) -> None:
        self.kind = kind
        self.name = name
        self.mode = mode
        self.context = context
        #: Whether each evaluated rule matched, by its position in the artifact.
        self.matched: Dict[int, bool] = {}
        #: The positions of the rules whose offers the visitor gets.
        self.chosen: List[int] = []

    def add_rule(self, rule: CompiledRule, matched: bool, variables: LazyDict) -> None:
        self.matched[rule.position] = matched

    def add_winner(self, rule: CompiledRule, displays: Sequence[Display]) -> None:
        self.chosen.append(rule.position)

    def as_dict(self) -> JsonObject:
        return {}


class _RecordingBuilder(DecisionBuilder):
    """Decides a request and records the decision for each location."""

    def __init__(self, artifact: Artifact, decision_request: DecisionRequest, context: EngineContext) -> None:
        super().__init__(artifact, decision_request, context)
        self.records: List[_Record] = []
        self._decides_page_load = False

    def _location(
        self, location_type: str, details: Details, mode: DecisionMode
    ) -> Tuple[LocationContext, Optional[LocationTrace]]:
        context, _ = super()._location(location_type, details, mode)
        kind = "page load" if self._decides_page_load else location_type
        record = _Record(kind, str(details.name), mode.name, context)
        self.records.append(record)
        return context, record

    def _page_load(self, requested: RequestDetails, mode: DecisionMode) -> PageLoadResponse:
        self._decides_page_load = True
        try:
            return super()._page_load(requested, mode)
        finally:
            self._decides_page_load = False


class _LocationExplainer:
    """Builds the explanation for one location from the record of its decision."""

    def __init__(self, artifact: Artifact, record: _Record, property_token: Optional[str]) -> None:
        self._artifact = artifact
        self._record = record
        self._property = property_token
        is_view = record.kind == "view"
        rules = artifact.views if is_view else artifact.mboxes
        name = record.name
        self._rules = rules.get(name)
        self._problems = tuple(rules.skipped.get(name, ()))
        decidable = artifact.decidable_views if is_view else artifact.decidable_mboxes
        self._is_remote = name not in decidable
        remote = artifact.remote_views if is_view else artifact.remote_mboxes
        self._is_known = not self._is_remote or name in remote or name in rules
        self._cache = ClosureCache()

    def explanation(self) -> LocationExplanation:
        """Return the explanation."""
        record = self._record
        rules = [self._explain_rule(rule, number) for number, rule in enumerate(self._rules, 1)]
        rules = [rule._replace(reason=self._reason(rule, rules)) for rule in rules]
        result = self._result([rule for rule in rules if rule.chosen])
        return LocationExplanation(
            record.name, record.kind, record.mode, self._is_known, self._is_remote, tuple(rules), result, self._problems
        )

    def _result(self, chosen: List[RuleExplanation]) -> str:
        """Return the result in words."""
        results = [
            f"{'' if rule.has_offer else 'default content, '}{name_text(rule.experience)} of {rule.activity_title}"
            for rule in chosen
        ]
        result, kind = "; ".join(results) or "no offer", self._record.kind
        if not self._is_known:
            artifact = self._artifact
            known = [*artifact.mboxes, *artifact.views, *artifact.remote_mboxes, *artifact.remote_views]
            hint = suggestion(self._record.name, known)
            return f"{result}; the artifact does not contain this {kind}, so only the edge can decide it{hint}"
        if self._is_remote:
            return f"{result} according to the artifact; this {kind} is remote: only the edge can decide it completely"
        return result if self._rules else f"{result}; this {kind} has no activities"

    def _explain_rule(self, rule: CompiledRule, priority: int) -> RuleExplanation:
        """Return the explanation of a rule. Its ``reason`` is still empty, because it also depends on other rules."""
        context = self._record.context
        context.enter_activity(rule.activity)
        condition = rule.document.get("condition")
        share, allocation, audience = split_share(condition)
        in_share, _ = self._evaluate(allocation)
        parts = () if audience is True else tuple(self._clause(part) for part in clauses(audience))
        in_property = rule.property_tokens is None or self._property in rule.property_tokens
        holds, problem = self._holds(rule)
        matches = self._record.matched.get(rule.position, in_property and holds)
        if in_property and matches != (in_share and all(part.held for part in parts)):
            # The parts of the condition do not explain its result. For example, an empty list counts as true if it
            # is the result of a whole condition, but as false in a part of one.
            if holds and not matches:
                problem = "the rules of the call took too many steps"
            parts = (Clause(matches, describe(audience), self._seen(audience), problem=problem),)
            in_share = in_share or matches
        meta = rule.meta
        experience_id = meta.get("experience.id")
        name = meta.get("experience.name")
        return RuleExplanation(
            activity_id=rule.activity.id,
            activity=_text(meta.get("activity.name")),
            experience_id=experience_id if isinstance(experience_id, (int, str)) else None,
            experience=_text(experience_id if name is None else name),
            priority=priority,
            bucket=context["allocation"],
            share=share,
            in_share=in_share,
            clauses=parts,
            property_tokens=tuple(sorted(rule.property_tokens or ())),
            in_property=in_property,
            matches=matches,
            chosen=rule.position in self._record.chosen,
            has_offer=not all(option.is_default for option in rule.options),
            reason="",
        )

    def _reason(self, rule: RuleExplanation, rules: List[RuleExplanation]) -> str:
        """Return why ``rule``, one of ``rules``, did or did not decide."""
        bucket = f"bucket {rule.bucket:.2f} is"
        if not rule.in_property:
            tokens = items_text([name_text(token) for token in rule.property_tokens])
            own = "has no property" if self._property is None else f"has the property {name_text(self._property)}"
            return f"{rule.experience_title} is limited to the property {tokens}, but the request {own}"
        if not rule.in_share:
            of_activity = [other for other in rules if other.activity_id == rule.activity_id]
            if any(other.in_share for other in of_activity):
                return f"{bucket} not in {rule.experience_title}"
            shares = [f"{name_text(other.experience)} {other.share or ''}".strip() for other in of_activity]
            return f"{bucket} in no share ({items_text(list(dict.fromkeys(shares)))})"
        outcome = "matches" if rule.matches else "does not match"
        if rule.share is None:
            name = name_text(rule.experience)
            reason = f"the audience of {name} {outcome}" if rule.clauses else f"{name} is for all visitors"
        else:
            reason = f"{bucket} in {rule.experience_title}" + (f", whose audience {outcome}" if rule.clauses else "")
        return reason + self._obstacle(rule, rules) if rule.matches and not rule.chosen else reason

    def _obstacle(self, rule: RuleExplanation, rules: List[RuleExplanation]) -> str:
        """Return why ``rule``, which matches, was not chosen."""
        earlier = [other for other in rules[: rule.priority] if other.chosen]
        for other in earlier:
            if other.activity_id == rule.activity_id:
                return f", but {name_text(other.experience)} of the same activity comes first"
        return f", but {earlier[0].activity_title} comes first" if earlier else ", but its activity was already decided"

    def _clause(self, condition: Json, nesting: int = 0) -> Clause:
        connective, parts = split(condition)
        held, problem = self._evaluate(condition)
        explained: Tuple[Clause, ...] = ()
        if connective and nesting < _MAX_NESTING and len(parts) <= _MAX_PARTS:
            explained = tuple(self._clause(part, nesting + 1) for part in parts)
        return Clause(
            held, describe(condition), self._seen(condition), connective if explained else "", explained, problem
        )

    def _seen(self, condition: Json) -> Tuple[Seen, ...]:
        """Return the variables that ``condition`` reads, with their values."""
        return tuple(Seen(name, _plain(get_variable(self._record.context, name))) for name in variables(condition))

    def _evaluate(self, condition: Json) -> Tuple[bool, str]:
        """Return whether a part of a condition holds, and the reason if it cannot be evaluated."""
        try:
            evaluate = compile_rule(with_comparable_names(condition), self._cache)
            return is_truthy(evaluate(self._unlimited())), ""
        except InvalidRule as error:
            return False, str(error)

    def _holds(self, rule: CompiledRule) -> Tuple[bool, str]:
        """Return whether ``rule`` holds, and the reason if it cannot be evaluated."""
        try:
            return rule.condition(self._unlimited()), ""
        except InvalidRule as error:
            return False, str(error)

    def _unlimited(self) -> LocationContext:
        """Check the time limit, and return the context with a new limit of steps for the next evaluation."""
        context = self._record.context
        context.limits.check_time()
        context.limits.steps_left = MAX_DECISION_STEPS
        return context


def _text(value: Json) -> str:
    return "" if value is None else to_string(value)


def _plain(value: Value) -> Value:
    return value.as_dict() if isinstance(value, LazyDict) else value
