"""The decision: a request and an artifact in, the response the edge would give out.

It asks nobody and waits for nothing.  What it owes, the notifications that offers were
displayed, it hands back for somebody else to send.
"""

from typing import Any, Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Set, Type, TypeVar

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.context import RequestContext
from target_python_sdk.decisioning.dependency import NO_REMOTE_PARTS, RemoteParts
from target_python_sdk.decisioning.display_notifications import DisplayNotifications
from target_python_sdk.decisioning.location import Location
from target_python_sdk.decisioning.offer import (
    EXECUTE,
    PREFETCH,
    DecisionMode,
    analytics,
    geo_tokens,
    metrics,
    notification_state,
    unique_by_token,
)
from target_python_sdk.decisioning.parts import part, text
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.decisioning.trace import Tracer
from target_python_sdk.types import (
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    ExecuteResponse,
    Geo,
    MboxRequest,
    MboxResponse,
    Notification,
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
from target_tools.logger import Log
from target_tools.schema.model import copy_with, deep_copy
from target_tools.uuids import UuidGenerator

#: The status of a complete answer, and of one with parts that only the edge could have decided.
COMPLETE, PARTIAL = 200, 206

MboxT = TypeVar("MboxT", bound=MboxResponse)


class EngineContext(NamedTuple):
    """What is the same for all decisions of a client."""

    client: str
    log: Log
    #: The mboxes that show every activity that matches, not only the first.
    all_matching: FrozenSet[str] = frozenset()
    #: What a trace tells of the download of the artifact.
    retrieval: Callable[[], Mapping[str, Any]] = dict


class DecisionRequest(NamedTuple):
    """What one decision is about."""

    request: DeliveryRequest
    session_id: str
    #: The id that buckets the visitor; see :func:`~target_python_sdk.decisioning.visitor.bucketed_by`.
    bucketing_id: str
    #: For what the decision has to name.
    ids: UuidGenerator
    #: Where the visitor is: what the request says, or what a look-up found.
    geo: Optional[Geo] = None
    #: What it leaves to the edge.
    remote: RemoteParts = NO_REMOTE_PARTS


class Decision(NamedTuple):
    """A decision."""

    response: DeliveryResponse
    #: That offers were displayed; the edge wants to hear of it.
    notifications: List[Notification]


def decide(artifact: Artifact, requested: DecisionRequest, context: EngineContext) -> Decision:
    """The answer to what is ``asked``."""
    request = requested.request
    decision = _DecisionBuilder(artifact, requested, context)
    execute, prefetch = request.execute, request.prefetch
    response = DeliveryResponse(
        status=PARTIAL if requested.remote else COMPLETE,
        request_id=request.request_id,
        id=None if request.id is None else _copy_ids(request.id),
        client=context.client,
        execute=None if execute is None else decision.execute(execute),
        prefetch=None if prefetch is None else decision.prefetch(prefetch),
    )
    return Decision(response, decision.notifications)


def _copy_ids(identity: VisitorId) -> VisitorId:
    copy: VisitorId = copy_with(identity) if identity.customer_ids is None else deep_copy(identity)
    return copy


class _DecisionBuilder:
    """One decision on its way."""

    def __init__(self, artifact: Artifact, requested: DecisionRequest, context: EngineContext) -> None:
        request, geo = requested.request, requested.geo
        self._artifact = artifact
        self._context = context
        self._request_context = RequestContext(request, requested.bucketing_id, geo)
        self._property = None if request._property is None else text(request._property.token)
        self._tokens = None if geo is None else geo_tokens(artifact.response_tokens, geo)
        self._tracer = None if request.trace is None else _tracer(artifact, requested, context)
        self._ids = requested.ids
        self._displays: Optional[DisplayNotifications] = None

    @property
    def notifications(self) -> List[Notification]:
        """What has been shown."""
        return [] if self._displays is None else self._displays.notifications

    def execute(self, requested: ExecuteRequest) -> ExecuteResponse:
        """What to show at once."""
        self._displays = DisplayNotifications(self._request_context, self._ids)
        return ExecuteResponse(
            page_load=None if requested.page_load is None else self._page_load(requested.page_load, EXECUTE),
            mboxes=self._mboxes(requested.mboxes, EXECUTE, MboxResponse) if requested.mboxes else None,
        )

    def prefetch(self, requested: PrefetchRequest) -> PrefetchResponse:
        """What to have ready."""
        return PrefetchResponse(
            views=self._views(requested.views) if requested.views else None,
            page_load=None if requested.page_load is None else self._page_load(requested.page_load, PREFETCH),
            mboxes=self._mboxes(requested.mboxes, PREFETCH, PrefetchMboxResponse) if requested.mboxes else None,
        )

    def _location(self, kind: str, details: Any, mode: DecisionMode) -> Location:
        """The place that ``details`` ask for."""
        location = Location(self._request_context, details, self._property, self._context.log)
        if self._tracer is not None:
            location.trace = self._tracer.location_trace(kind, details, mode.name, location)
        return location

    def _options(
        self, rule: CompiledRule, details: Any, mode: DecisionMode, mbox: str, location: Location
    ) -> List[Option]:
        """The options of a rule that has won; what is executed counts as displayed."""
        displayed = [] if self._displays is None or not mode.reports_display else self._displays.add(mbox, rule)
        if location.trace is not None:
            location.trace.add_winner(rule, displayed)
        return mode.options(rule, details, self._tokens)

    def _page_load(self, requested: Any, mode: DecisionMode) -> Optional[PageLoadResponse]:
        given = part(requested, RequestDetails)
        if given is None:
            return None
        mbox = self._artifact.global_mbox
        details = copy_with(MboxRequest(), **{**given.__dict__, "name": mbox})
        location = self._location("mbox", details, mode)
        rules = location.all_matches(self._artifact.mboxes.get(mbox, ()), set())
        options = [option for rule in rules for option in self._options(rule, details, mode, mbox, location)]
        return PageLoadResponse(
            options=options,
            metrics=unique_by_token([metric for rule in rules for metric in mode.metrics(rule) or ()]) or None,
            analytics=next(filter(None, map(analytics, rules)), None),
            state=None if mode is EXECUTE else next(filter(None, map(notification_state, rules)), None),
            trace=location.trace_as_dict(),
        )

    def _mboxes(self, requested: Sequence[MboxRequest], mode: DecisionMode, kind: Type[MboxT]) -> List[MboxT]:
        """What there is for each mbox; more than one answer where it shows every activity that matches."""
        answers: List[MboxT] = []
        all_matching, rules_of = self._context.all_matching, self._artifact.mboxes
        for mbox in requested:
            name = str(mbox.name)
            location = self._location("mbox", mbox, mode)
            rules = rules_of.get(name, ())
            shows_all = name == self._artifact.global_mbox or name in all_matching
            found = location.all_matches(rules, set()) if shows_all else location.first_match(rules)
            made = [self._mbox_response(rule, mbox, mode, kind, location) for rule in found]
            if not made:
                made.append(kind(index=mbox.index, name=name))
            if location.trace is not None:  # of all that was decided for the mbox
                for answer in made:
                    answer.trace = location.trace_as_dict()
            answers += made
        return answers

    def _mbox_response(
        self, rule: CompiledRule, mbox: MboxRequest, mode: DecisionMode, kind: Type[MboxT], location: Location
    ) -> MboxT:
        """An mbox that shows the offer of ``rule``."""
        answer = kind(
            index=mbox.index,
            name=mbox.name,
            options=self._options(rule, mbox, mode, str(mbox.name), location),
            metrics=mode.metrics(rule),
            analytics=analytics(rule),
        )
        if isinstance(answer, PrefetchMboxResponse):
            answer.state = notification_state(rule)
        return answer

    def _views(self, requested: Sequence[Any]) -> List[View]:
        """What there is for the views asked for; without a name, for all of them."""
        views: Dict[str, View] = {}
        decided: Dict[str, Set[Any]] = {}
        for given in requested:
            details = part(given, ViewRequest)
            if details is not None:
                for name in [str(details.name)] if details.name else self._artifact.views:
                    self._add_view(name, copy_with(details, name=name), views, decided.setdefault(name, set()))
        return list(views.values())

    def _add_view(self, name: str, details: ViewRequest, views: Dict[str, View], decided: Set[Any]) -> None:
        location = self._location("view", details, PREFETCH)
        for rule in location.all_matches(self._artifact.views.get(name, ()), decided):
            view = views.get(name)
            if view is None:
                # As the artifact has it, however long.
                view = views[name] = View.from_dict({"name": name, "key": details.key or rule.consequence.get("key")})
                view.analytics, view.state = analytics(rule), notification_state(rule)
            view.options = [*(view.options or ()), *self._options(rule, details, PREFETCH, name, location)]
            view.metrics = [*(view.metrics or ()), *metrics(rule)]
            view.trace = location.trace_as_dict()


def _tracer(artifact: Artifact, requested: DecisionRequest, context: EngineContext) -> Tracer:
    return Tracer(artifact, requested.request, context.client, requested.session_id, dict(context.retrieval()))
