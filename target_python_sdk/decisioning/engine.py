"""The decision: a request and an artifact in, the response the edge would give out.

It asks nobody and waits for nothing.  What it owes, the notifications that offers were
displayed, it hands back for somebody else to send.
"""

from typing import Any, Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Set, Type, TypeVar

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.context import Visit
from target_python_sdk.decisioning.dependency import NOTHING_REMOTE, Remote
from target_python_sdk.decisioning.displays import Displays
from target_python_sdk.decisioning.offer import (
    EXECUTED,
    PREFETCHED,
    Manner,
    analytics,
    distinct,
    metrics,
    place_tokens,
    state,
)
from target_python_sdk.decisioning.parts import part, text
from target_python_sdk.decisioning.place import Place
from target_python_sdk.decisioning.rule import Rule
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
from target_tools.schema.model import altered, detached
from target_tools.uuids import Ids

#: The status of a complete answer, and of one with parts that only the edge could have decided.
COMPLETE, PARTIAL = 200, 206

MboxT = TypeVar("MboxT", bound=MboxResponse)


class Situation(NamedTuple):
    """What is the same for all decisions of a client."""

    client: str
    log: Log
    #: The mboxes that show every activity that matches, not only the first.
    all_matching: FrozenSet[str] = frozenset()
    #: What a trace tells of the download of the artifact.
    retrieval: Callable[[], Mapping[str, Any]] = dict


class Asked(NamedTuple):
    """What one decision is about."""

    request: DeliveryRequest
    session_id: str
    #: The id that buckets the visitor; see :func:`~target_python_sdk.decisioning.visitor.bucketed_by`.
    visitor: str
    #: For what the decision has to name.
    ids: Ids
    #: Where the visitor is: what the request says, or what a look-up found.
    geo: Optional[Geo] = None
    #: What it leaves to the edge.
    remote: Remote = NOTHING_REMOTE


class Decided(NamedTuple):
    """A decision."""

    response: DeliveryResponse
    #: That offers were displayed; the edge wants to hear of it.
    notifications: List[Notification]


def decide(artifact: Artifact, asked: Asked, situation: Situation) -> Decided:
    """The answer to what is ``asked``."""
    request = asked.request
    decision = _Decision(artifact, asked, situation)
    execute, prefetch = request.execute, request.prefetch
    response = DeliveryResponse(
        status=PARTIAL if asked.remote else COMPLETE,
        request_id=request.request_id,
        id=None if request.id is None else _own(request.id),
        client=situation.client,
        execute=None if execute is None else decision.executed(execute),
        prefetch=None if prefetch is None else decision.prefetched(prefetch),
    )
    return Decided(response, decision.notifications)


def _own(identity: VisitorId) -> VisitorId:
    copy: VisitorId = altered(identity) if identity.customer_ids is None else detached(identity)
    return copy


class _Decision:
    """One decision on its way."""

    def __init__(self, artifact: Artifact, asked: Asked, situation: Situation) -> None:
        request, geo = asked.request, asked.geo
        self._artifact = artifact
        self._situation = situation
        self._visit = Visit(request, asked.visitor, geo)
        self._property = None if request._property is None else text(request._property.token)
        self._tokens = None if geo is None else place_tokens(artifact.response_tokens, geo)
        self._tracer = None if request.trace is None else _tracer(artifact, asked, situation)
        self._ids = asked.ids
        self._displays: Optional[Displays] = None

    @property
    def notifications(self) -> List[Notification]:
        """What has been shown."""
        return [] if self._displays is None else self._displays.notifications

    def executed(self, asked: ExecuteRequest) -> ExecuteResponse:
        """What to show at once."""
        self._displays = Displays(self._visit, self._ids)
        return ExecuteResponse(
            page_load=None if asked.page_load is None else self._page_load(asked.page_load, EXECUTED),
            mboxes=self._mboxes(asked.mboxes, EXECUTED, MboxResponse) if asked.mboxes else None,
        )

    def prefetched(self, asked: PrefetchRequest) -> PrefetchResponse:
        """What to have ready."""
        return PrefetchResponse(
            views=self._views(asked.views) if asked.views else None,
            page_load=None if asked.page_load is None else self._page_load(asked.page_load, PREFETCHED),
            mboxes=self._mboxes(asked.mboxes, PREFETCHED, PrefetchMboxResponse) if asked.mboxes else None,
        )

    def _place(self, kind: str, details: Any, manner: Manner) -> Place:
        """The place that ``details`` ask for."""
        place = Place(self._visit, details, self._property, self._situation.log)
        if self._tracer is not None:
            place.trace = self._tracer.place(kind, details, manner.name, place)
        return place

    def _options(self, rule: Rule, details: Any, manner: Manner, mbox: str, place: Place) -> List[Option]:
        """The options of a rule that has won; what is executed counts as displayed."""
        told = [] if self._displays is None or not manner.displays else self._displays.add(mbox, rule)
        if place.trace is not None:
            place.trace.won(rule, told)
        return manner.options(rule, details, self._tokens)

    def _page_load(self, asked: Any, manner: Manner) -> Optional[PageLoadResponse]:
        given = part(asked, RequestDetails)
        if given is None:
            return None
        mbox = self._artifact.global_mbox
        details = altered(MboxRequest(), **{**given.__dict__, "name": mbox})
        place = self._place("mbox", details, manner)
        rules = place.winners(self._artifact.mboxes.get(mbox, ()), set())
        options = [option for rule in rules for option in self._options(rule, details, manner, mbox, place)]
        return PageLoadResponse(
            options=options,
            metrics=distinct([metric for rule in rules for metric in manner.metrics(rule) or ()]) or None,
            analytics=next(filter(None, map(analytics, rules)), None),
            state=None if manner is EXECUTED else next(filter(None, map(state, rules)), None),
            trace=place.told(),
        )

    def _mboxes(self, asked: Sequence[MboxRequest], manner: Manner, kind: Type[MboxT]) -> List[MboxT]:
        """What there is for each mbox; more than one answer where it shows every activity that matches."""
        answers: List[MboxT] = []
        all_matching, rules_of = self._situation.all_matching, self._artifact.mboxes
        for mbox in asked:
            name = str(mbox.name)
            place = self._place("mbox", mbox, manner)
            rules = rules_of.get(name, ())
            shows_all = name == self._artifact.global_mbox or name in all_matching
            found = place.winners(rules, set()) if shows_all else place.winner(rules)
            made = [self._shown(rule, mbox, manner, kind, place) for rule in found]
            if not made:
                made.append(kind(index=mbox.index, name=name))
            if place.trace is not None:  # of all that was decided for the mbox
                for answer in made:
                    answer.trace = place.told()
            answers += made
        return answers

    def _shown(self, rule: Rule, mbox: MboxRequest, manner: Manner, kind: Type[MboxT], place: Place) -> MboxT:
        """An mbox that shows the offer of ``rule``."""
        answer = kind(
            index=mbox.index,
            name=mbox.name,
            options=self._options(rule, mbox, manner, str(mbox.name), place),
            metrics=manner.metrics(rule),
            analytics=analytics(rule),
        )
        if isinstance(answer, PrefetchMboxResponse):
            answer.state = state(rule)
        return answer

    def _views(self, asked: Sequence[Any]) -> List[View]:
        """What there is for the views asked for; without a name, for all of them."""
        views: Dict[str, View] = {}
        decided: Dict[str, Set[Any]] = {}
        for given in asked:
            details = part(given, ViewRequest)
            if details is not None:
                for name in [str(details.name)] if details.name else self._artifact.views:
                    self._add_view(name, altered(details, name=name), views, decided.setdefault(name, set()))
        return list(views.values())

    def _add_view(self, name: str, details: ViewRequest, views: Dict[str, View], decided: Set[Any]) -> None:
        place = self._place("view", details, PREFETCHED)
        for rule in place.winners(self._artifact.views.get(name, ()), decided):
            view = views.get(name)
            if view is None:
                # As the artifact has it, however long.
                view = views[name] = View.from_dict({"name": name, "key": details.key or rule.consequence.get("key")})
                view.analytics, view.state = analytics(rule), state(rule)
            view.options = [*(view.options or ()), *self._options(rule, details, PREFETCHED, name, place)]
            view.metrics = [*(view.metrics or ()), *metrics(rule)]
            view.trace = place.told()


def _tracer(artifact: Artifact, asked: Asked, situation: Situation) -> Tracer:
    return Tracer(artifact, asked.request, situation.client, asked.session_id, dict(situation.retrieval()))
