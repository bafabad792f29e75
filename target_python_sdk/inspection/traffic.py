"""Evaluates the rules of a location for visitors who differ only in their buckets.

Conditions do not read a visitor's ids, only the bucket. So the result for a bucket is computed once, and each visitor
costs only one hash for each activity.
"""

from typing import Any, ClassVar, Dict, List, Mapping, NamedTuple, Optional, Tuple

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.context import Getters, LocationContext, RequestContext
from target_python_sdk.decisioning.geo_names import with_comparable_names
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.explain.structure import split_share
from target_python_sdk.types import ChannelType, Context, DeliveryRequest, Geo, MboxRequest
from target_tools.errors import InvalidRule
from target_tools.rules.compiler import Condition, compile_condition
from target_tools.rules.loop_operators import MAX_DECISION_STEPS


class VisitorAttributes(NamedTuple):
    """The attributes that all simulated visitors have in common."""

    #: Page, browser and device.
    context: Optional[Context] = None
    #: The parameters of each mbox and view.
    parameters: Mapping[str, Any] = {}
    property_token: Optional[str] = None
    geo: Optional[Geo] = None


class BucketContext(LocationContext):
    """The data of a location for a bucket that the caller sets."""

    __slots__ = ("bucket",)

    getters: ClassVar[Getters] = {**LocationContext.getters, "allocation": lambda self: self.bucket}

    def set_bucket(self, bucket: float) -> None:
        """Set the variable ``allocation`` to ``bucket``."""
        self.bucket = bucket
        self.pop("allocation", None)


class BucketedRule:
    """A rule for visitors with the same attributes."""

    def __init__(self, rule: CompiledRule, condition: Condition, context: BucketContext) -> None:
        self.rule = rule
        self._condition = condition
        self._context = context
        self._by_bucket: Dict[float, bool] = {}
        #: The result, if it is known not to depend on the bucket.
        self._constant: Optional[bool] = None

    def matches(self, bucket: float) -> bool:
        """Return whether the rule matches visitors with this bucket."""
        if self._constant is not None:
            return self._constant
        matched = self._by_bucket.get(bucket)
        if matched is None:
            context = self._context
            context.set_bucket(bucket)
            matched = self._by_bucket[bucket] = evaluate(self._condition, context)
            if "allocation" not in context:  # the condition did not read the bucket
                self._constant = matched
        return matched


def evaluate(condition: Condition, data: Mapping[str, Any]) -> bool:
    """Return whether ``condition`` holds. A condition that exceeds its limits does not hold."""
    if isinstance(data, LocationContext):
        data.limits.steps_left = MAX_DECISION_STEPS
    try:
        return condition(data)
    except InvalidRule:
        return False


class Location(NamedTuple):
    """A location of an artifact."""

    #: ``mbox`` or ``view``.
    kind: str
    name: str
    #: Whether the location shows the offers of all matching activities.
    shows_all: bool
    rules: List[BucketedRule]


class Traffic:
    """The locations of an artifact, with rules for visitors with the same attributes.

    :param all_audiences: Whether every audience and property counts as matching.
    """

    def __init__(self, artifact: Artifact, attributes: VisitorAttributes, *, all_audiences: bool = False) -> None:
        request = DeliveryRequest(context=attributes.context or Context(channel=ChannelType.WEB))
        request_context = RequestContext(request, "", attributes.geo)
        details = MboxRequest(parameters=dict(attributes.parameters))
        self._context = BucketContext(request_context, details)
        self._property = attributes.property_token
        self._all_audiences = all_audiences
        kinds = (("mbox", artifact.mboxes), ("view", artifact.views))
        #: In the order of the artifact.
        self.locations = [
            Location(kind, name, kind == "view" or name == artifact.global_mbox, self._rules(rules))
            for kind, locations in kinds
            for name, rules in locations.items()
        ]

    def _rules(self, rules: Tuple[CompiledRule, ...]) -> List[BucketedRule]:
        return [BucketedRule(rule, self._condition(rule), self._context) for rule in rules]

    def _condition(self, rule: CompiledRule) -> Condition:
        if self._all_audiences:
            return compile_condition(split_share(rule.document.get("condition")).allocation)
        return rule.condition if self._has_property_of(rule) else compile_condition(False)

    def _has_property_of(self, rule: CompiledRule) -> bool:
        return rule.property_tokens is None or self._property in rule.property_tokens

    def audience_matches(self, rule: CompiledRule) -> bool:
        """Return whether the visitors are in the audience and the property of ``rule``."""
        if self._all_audiences:
            return True
        if not self._has_property_of(rule):
            return False
        condition = compile_condition(with_comparable_names(split_share(rule.document.get("condition")).audience))
        return evaluate(condition, self._context)
