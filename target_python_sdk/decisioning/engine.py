"""Decides requests with an artifact: returns the response that the edge would send.

The engine does no I/O. It returns the displayed offers; the caller reports them to the edge.
"""

import math
from itertools import chain
from typing import (
    AbstractSet,
    Any,
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Type,
    TypeVar,
)

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.context import LocationContext, RequestContext
from target_python_sdk.decisioning.macros import Details
from target_python_sdk.decisioning.offer import (
    EXECUTE,
    PREFETCH,
    DecisionMode,
    Display,
    all_analytics,
    analytics,
    click_metrics,
    geo_tokens,
    keep_rule_meta,
    merge_analytics,
    metrics,
    notification_state,
    unique_by_token,
)
from target_python_sdk.decisioning.rule import CompiledRule, text_or_none
from target_python_sdk.decisioning.trace import LocationTrace, Tracer
from target_python_sdk.types import (
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    ExecuteResponse,
    Geo,
    MboxRequest,
    MboxResponse,
    Option,
    PageLoadResponse,
    PrefetchMboxResponse,
    PrefetchRequest,
    PrefetchResponse,
    RequestDetails,
    View,
    ViewRequest,
    VisitorId,
)
from target_tools.clock import Deadline, monotonic
from target_tools.errors import InvalidRule, escape_text
from target_tools.logger import Log
from target_tools.schema.model import copy_with, deep_copy
from target_tools.uuids import UuidGenerator

#: The status of a complete response, and of one without the parts that only the edge can decide.
COMPLETE, PARTIAL = 200, 206

MboxT = TypeVar("MboxT", bound=MboxResponse)
#: Number of rules evaluated between two checks of the deadline. Loop operators, long rules and long values cause
#: additional checks.
_RULES_PER_TIME_CHECK = 16
#: The data that the conditions of a location read, and its trace if the request asks for traces.
_Location = Tuple[LocationContext, Optional[LocationTrace]]


class EngineContext(NamedTuple):
    """The settings that all decisions of a client share."""

    client: str
    log: Log
    #: The mboxes that return the offers of all matching activities, not only of the first.
    all_matching: FrozenSet[str] = frozenset()
    #: Returns the part of traces that describes the artifact's download.
    retrieval: Callable[[], Mapping[str, Any]] = dict


class RemoteParts(NamedTuple):
    """The mboxes and views that only the edge can decide, by name."""

    mboxes: List[str]
    views: List[str]

    def __bool__(self) -> bool:
        return bool(self.mboxes or self.views)


NO_REMOTE_PARTS = RemoteParts([], [])


class DecisionRequest(NamedTuple):
    """One request to decide."""

    request: DeliveryRequest
    session_id: str
    #: The id that determines the buckets; see :func:`~target_python_sdk.decisioning.context.bucketing_id`.
    bucketing_id: str
    #: Creates the ids of notifications.
    ids: UuidGenerator
    #: The visitor's location, from the request or a lookup.
    geo: Optional[Geo] = None
    #: The parts that only the edge can decide.
    remote: RemoteParts = NO_REMOTE_PARTS
    #: When the decision must be complete. None means no limit.
    deadline: Optional[Deadline] = None


class Decision(NamedTuple):
    """A response, and the displays to report to the edge: offers of an execute request count as displayed."""

    response: DeliveryResponse
    displays: List[Display]


def remote_parts(artifact: Artifact, request: DeliveryRequest) -> RemoteParts:
    """Return the mboxes and views of ``request`` that only the edge can decide.

    A page load counts as the global mbox.
    """
    mboxes: List[str] = []
    views: List[str] = []
    for requested in (request.execute, request.prefetch):
        if requested is not None:
            if requested.page_load is not None:
                mboxes.append(artifact.global_mbox)
            if requested.mboxes:
                mboxes += [str(mbox.name) for mbox in requested.mboxes]
    if request.prefetch is not None and request.prefetch.views:
        for view in request.prefetch.views:
            views += [str(view.name)] if view.name else artifact.remote_views
    if artifact.decidable_mboxes.issuperset(mboxes) and artifact.decidable_views.issuperset(views):
        return NO_REMOTE_PARTS
    return RemoteParts(
        _not_decidable(mboxes, artifact.decidable_mboxes), _not_decidable(views, artifact.decidable_views)
    )


def _not_decidable(names: List[str], decidable: AbstractSet[str]) -> List[str]:
    """Return the names that are not in ``decidable``, each once."""
    return [name for name in dict.fromkeys(names) if name not in decidable]


def decide(artifact: Artifact, decision_request: DecisionRequest, context: EngineContext) -> Decision:
    """Decide a request. Raises ``DeadlineExceeded``."""
    request = decision_request.request
    builder = DecisionBuilder(artifact, decision_request, context)
    execute, prefetch = request.execute, request.prefetch
    response = DeliveryResponse(
        status=PARTIAL if decision_request.remote else COMPLETE,
        request_id=request.request_id,
        id=None if request.id is None else _copy_ids(request.id),
        client=context.client,
        execute=None if execute is None else builder.execute(execute),
        prefetch=None if prefetch is None else builder.prefetch(prefetch),
    )
    return Decision(response, builder.displays)


def _copy_ids(identity: VisitorId) -> VisitorId:
    copy: VisitorId = copy_with(identity) if identity.customer_ids is None else deep_copy(identity)
    return copy


class DecisionBuilder:
    """Builds the response to one request."""

    def __init__(self, artifact: Artifact, decision_request: DecisionRequest, context: EngineContext) -> None:
        request, geo = decision_request.request, decision_request.geo
        self._artifact = artifact
        self._context = context
        deadline = decision_request.deadline
        self._request_context = RequestContext(request, decision_request.bucketing_id, geo, deadline)
        #: When the decision must be complete, on the monotonic clock.
        self._expires_at = math.inf if deadline is None else deadline.at
        self._property = None if request._property is None else text_or_none(request._property.token)
        self._tokens = None if geo is None else geo_tokens(artifact.response_tokens, geo)
        self._tracer = None if request.trace is None else _tracer(artifact, decision_request, context)
        self._ids = decision_request.ids
        #: The displayed offers.
        self.displays: List[Display] = []
        #: The mboxes and event tokens in ``displays``.
        self._displayed: Set[Tuple[str, str]] = set()

    def execute(self, requested: ExecuteRequest) -> ExecuteResponse:
        """Decide an execute request."""
        return ExecuteResponse(
            page_load=None if requested.page_load is None else self._page_load(requested.page_load, EXECUTE),
            mboxes=self._mboxes(requested.mboxes, EXECUTE, MboxResponse) if requested.mboxes else None,
        )

    def prefetch(self, requested: PrefetchRequest) -> PrefetchResponse:
        """Decide a prefetch request."""
        return PrefetchResponse(
            views=self._views(requested.views) if requested.views else None,
            page_load=None if requested.page_load is None else self._page_load(requested.page_load, PREFETCH),
            mboxes=self._mboxes(requested.mboxes, PREFETCH, PrefetchMboxResponse) if requested.mboxes else None,
        )

    def _location(self, location_type: str, details: Details, mode: DecisionMode) -> _Location:
        if monotonic() > self._expires_at:
            self._request_context.check_time()
        context = LocationContext(self._request_context, details)
        if self._tracer is None:
            return context, None
        return context, self._tracer.location_trace(location_type, details, mode.name, context["page"])

    def _first_match(self, rules: Sequence[CompiledRule], location: _Location) -> List[CompiledRule]:
        """Return a list with the first rule that matches, or an empty list. ``rules`` are in order of priority."""
        for rule in rules if len(rules) <= _RULES_PER_TIME_CHECK else self._in_time(rules):
            if self._matches(rule, location):
                return [rule]
        return []

    def _all_matches(self, rules: Sequence[CompiledRule], location: _Location, decided: Set[Any]) -> List[CompiledRule]:
        """Return the first matching rule of each ``ruleKey`` not in ``decided``, and add these keys to ``decided``."""
        matches = []
        for rule in rules if len(rules) <= _RULES_PER_TIME_CHECK else self._in_time(rules):
            if rule.key not in decided and self._matches(rule, location):
                decided.add(rule.key)
                matches.append(rule)
        return matches

    def _in_time(self, rules: Sequence[CompiledRule]) -> Iterable[CompiledRule]:
        """Return an iterable of ``rules`` that checks the time between parts, without a Python call for each rule."""
        return chain.from_iterable(self._parts(rules))

    def _parts(self, rules: Sequence[CompiledRule]) -> Iterator[Sequence[CompiledRule]]:
        for start in range(0, len(rules), _RULES_PER_TIME_CHECK):
            if start:  # ``_location`` has checked the time before the first part
                self._request_context.check_time()
            yield rules[start : start + _RULES_PER_TIME_CHECK]

    def _matches(self, rule: CompiledRule, location: _Location) -> bool:
        if rule.property_tokens is not None and self._property not in rule.property_tokens:
            return False
        context, trace = location
        if context.reads_long_values:  # even a short rule can be slow
            self._request_context.check_time()
        context.enter_activity(rule.activity)
        try:
            matched = rule.condition(context)
        except InvalidRule as error:
            matched = False
            log = self._context.log
            has_steps = self._request_context.steps_left > 0  # without steps, all later loops fail: log only the first
            if log.first_time(("rule", rule.key) if has_steps else "steps of a decision"):
                activity_id = escape_text(rule.activity.id, 40)
                log.warning("A rule of activity %s could not be evaluated: %s", activity_id, error)
        if trace is not None:
            trace.add_rule(rule, matched, context)
        return matched

    def _options(
        self, rule: CompiledRule, details: Details, mode: DecisionMode, mbox: str, trace: Optional[LocationTrace]
    ) -> List[Option]:
        """Return the options of a matched rule. The offers of an execute request are reported as displayed."""
        displayed = self._report_display(mbox, rule) if mode.reports_display else []
        if trace is not None:
            trace.add_winner(rule, displayed)
        options = mode.options(rule, details, self._tokens)
        for option in options:
            keep_rule_meta(option, rule.meta)
        return options

    def _report_display(self, mbox: str, rule: CompiledRule) -> List[Display]:
        """Record that the offer of ``rule`` was displayed, once per mbox.

        Return a list with the new display, or an empty list.
        """
        tokens = [option.event_token for option in rule.options if option.event_token]
        new = [token for token in dict.fromkeys(tokens) if (mbox, token) not in self._displayed]
        if not new:
            return []
        self._displayed.update([(mbox, token) for token in new])
        display = Display(self._ids.next(), self._ids.next(), self._request_context.now, new, mbox)
        self.displays.append(display)
        return [display]

    def _page_load(self, requested: RequestDetails, mode: DecisionMode) -> PageLoadResponse:
        mbox = self._artifact.global_mbox
        details = copy_with(MboxRequest(), **{**requested.__dict__, "name": mbox})
        location = self._location("mbox", details, mode)
        _, trace = location
        rules = self._all_matches(self._artifact.mboxes.get(mbox, ()), location, set())
        options = [option for rule in rules for option in self._options(rule, details, mode, mbox, trace)]
        return PageLoadResponse(
            options=options,
            metrics=unique_by_token([metric for rule in rules for metric in click_metrics(rule) or ()]) or None,
            analytics=all_analytics(rules),
            state=None if mode is EXECUTE else next(filter(None, map(notification_state, rules)), None),
            trace=None if trace is None else trace.as_dict(),
        )

    def _mboxes(self, requested: Sequence[MboxRequest], mode: DecisionMode, response_type: Type[MboxT]) -> List[MboxT]:
        """Decide mboxes. An mbox with several matching activities may have several responses."""
        responses: List[MboxT] = []
        all_matching, rules_of = self._context.all_matching, self._artifact.mboxes
        for mbox in requested:
            name = str(mbox.name)
            location = self._location("mbox", mbox, mode)
            _, trace = location
            rules = rules_of.get(name, ())
            shows_all = name == self._artifact.global_mbox or name in all_matching
            matches = self._all_matches(rules, location, set()) if shows_all else self._first_match(rules, location)
            decided = [self._mbox_response(rule, mbox, mode, response_type, trace) for rule in matches]
            if not decided:
                decided.append(response_type(index=mbox.index, name=name))
            if trace is not None:  # the trace is complete only after all responses of the mbox
                for response in decided:
                    response.trace = trace.as_dict()
            responses += decided
        return responses

    def _mbox_response(
        self,
        rule: CompiledRule,
        mbox: MboxRequest,
        mode: DecisionMode,
        response_type: Type[MboxT],
        trace: Optional[LocationTrace],
    ) -> MboxT:
        """Return the response of an mbox that shows the offer of ``rule``."""
        response = response_type(
            index=mbox.index,
            name=mbox.name,
            options=self._options(rule, mbox, mode, str(mbox.name), trace),
            metrics=click_metrics(rule),
            analytics=analytics(rule),
        )
        if isinstance(response, PrefetchMboxResponse):
            response.state = notification_state(rule)
        return response

    def _views(self, requested: Sequence[ViewRequest]) -> List[View]:
        """Decide views. A request without a name means all views."""
        views: Dict[str, View] = {}
        decided: Dict[str, Set[Any]] = {}
        for details in requested:
            for name in [str(details.name)] if details.name else self._artifact.views:
                self._add_view(name, copy_with(details, name=name), views, decided.setdefault(name, set()))
        return list(views.values())

    def _add_view(self, name: str, details: ViewRequest, views: Dict[str, View], decided: Set[Any]) -> None:
        location = self._location("view", details, PREFETCH)
        _, trace = location
        for rule in self._all_matches(self._artifact.views.get(name, ()), location, decided):
            view = views.get(name)
            if view is None:
                # Unlike the constructor, from_dict accepts a name and a key that are longer than allowed.
                view = views[name] = View.from_dict({"name": name, "key": rule.consequence.get("key")})
                view.state = notification_state(rule)
            view.options = [*(view.options or ()), *self._options(rule, details, PREFETCH, name, trace)]
            view.metrics = [*(view.metrics or ()), *metrics(rule)]  # never None, as in the conformance cases
            own = analytics(rule)
            if own is not None:
                view.analytics = own if view.analytics is None else merge_analytics(view.analytics, own)
            view.trace = None if trace is None else trace.as_dict()


def _tracer(artifact: Artifact, decision_request: DecisionRequest, context: EngineContext) -> Tracer:
    request, session_id = decision_request.request, decision_request.session_id
    return Tracer(artifact, request, context.client, session_id, dict(context.retrieval()))
