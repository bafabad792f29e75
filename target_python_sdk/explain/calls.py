"""Explains the decision of a call. Nothing is sent and nothing is counted."""

from typing import Any, Iterable, Iterator, List, Mapping, Optional, Sequence

from target_python_sdk.artifact.report import not_available
from target_python_sdk.artifact.source import ArtifactSource
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.context import bucketing_id, with_device_id
from target_python_sdk.decisioning.engine import DecisionRequest, EngineContext, remote_parts
from target_python_sdk.delivery.call_options import Call, call_options, check_offers, parse_names, with_mboxes
from target_python_sdk.delivery.geo import needs_lookup
from target_python_sdk.delivery.legacy_messages import DECISIONING_ENGINE_NOT_READY
from target_python_sdk.delivery.options import ClientSettings, client_settings
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.explain.decisions import explain_decision
from target_python_sdk.explain.explanation import Explanation
from target_python_sdk.explain.values import items_text, name_text
from target_python_sdk.types import DeliveryRequest, PrefetchRequest, ViewRequest
from target_tools.clock import Deadline
from target_tools.enums import DecisioningMethod
from target_tools.error_text import invalid
from target_tools.errors import ArtifactNotAvailable, OptionError
from target_tools.logger import Log
from target_tools.schema.model import copy_with

_USE_RULES = (
    "only the edge can explain its decisions; create a second client with decisioning_method='on-device', "
    "or use the command target-sdk explain"
)


def explain_call(  # noqa: PLR0917 - the parts of a client
    call: Call,
    locations: Iterable[str],
    settings: ClientSettings,
    source: Optional[ArtifactSource],
    engine: EngineContext,
    cluster: Optional[str],
) -> Explanation:
    """Explain how the current artifact of a client decides ``call``.

    Raises ``OptionError`` for invalid locations and for a server-side call, ``ArtifactNotAvailable`` if there is no
    artifact, and ``DeadlineExceeded``.
    """
    names = _location_names(locations, "pass the names as separate arguments: explain(options, 'hero', 'cart')")
    method = call.decisioning_method
    if method is DecisioningMethod.SERVER_SIDE:
        expected = "'on-device' or 'hybrid'"
        text = invalid("Invalid option 'decisioning_method'", expected=expected, got=method.value, hint=_USE_RULES)
        raise OptionError(text, "decisioning_method", expected)
    if source is None:
        cause = "the client has no rule artifact, because its decisioning_method is 'server-side'"
        raise ArtifactNotAvailable(f"{DECISIONING_ENGINE_NOT_READY} Cause: {cause}")
    if source.current is None:
        raise not_available(source.hint) from source.last_error
    return _explain(source.current.artifact, call, names, settings, engine, cluster)


def explain_with_artifact(
    artifact: Artifact, client: str, options: Mapping[str, Any], locations: Iterable[str] = ()
) -> Explanation:
    """Return the explanation of a call that ``artifact`` decides, without a client.

    :param artifact: An artifact that was compiled for the client code ``client``.
    :param client: The client code, which the visitor's buckets depend on.
    :param options: The options of a call, such as ``request`` (a model or a dict), ``target_cookie``, ``customer_ids``.
    :param locations: The mboxes and views to explain; by default all that the request asks for.
    """
    log = Log(None)
    settings = client_settings({"client": client, "organization_id": "unknown@AdobeOrg"}, log)
    on_device = settings._replace(decisioning_method=DecisioningMethod.ON_DEVICE)
    call = call_options(options, on_device, log, requires_request=False)
    return _explain(artifact, call, _location_names(locations), on_device, EngineContext(client, log), None)


def _explain(  # noqa: PLR0917 - the parts of a client
    artifact: Artifact,
    call: Call,
    names: List[str],
    settings: ClientSettings,
    engine: EngineContext,
    cluster: Optional[str],
) -> Explanation:
    call = call._replace(request=_with_locations(call.request, names, artifact))
    check_offers(call.request, call.hint)
    prepared = prepare_request(call, settings, cluster, engine.log)
    request = copy_with(prepared.request, trace=None, notifications=None)
    identity = with_device_id(request.id, engine.client, prepared.cluster)
    has_random_id = identity is not request.id and not any(one and one.id for one in identity.customer_ids or ())
    notes = tuple(_notes(artifact, call, request, has_random_id))
    request = copy_with(request, id=identity)
    visitor = bucketing_id(identity)
    geo = None if request.context is None else request.context.geo
    decision_request = DecisionRequest(
        request, prepared.session_id, visitor, prepared.ids, geo, deadline=Deadline.after(call.timeout)
    )
    explained = explain_decision(artifact, decision_request, engine)
    return Explanation(visitor, tuple(each for each in explained if not names or each.name in names), notes)


def _location_names(locations: Iterable[str], list_hint: str = "") -> List[str]:
    return list(dict.fromkeys(parse_names(locations, "locations", "names of mboxes and views", list_hint)))


def _with_locations(request: DeliveryRequest, names: Sequence[str], artifact: Artifact) -> DeliveryRequest:
    """Return a copy of ``request`` that also asks for the missing ``names``.

    A name can be both an mbox and a view; then both are added. An unknown name counts as an mbox.
    """
    execute, prefetch = request.execute, request.prefetch
    views = [*((prefetch and prefetch.views) or ())]
    requested = {view.name for view in views}
    if any(not view.name for view in views):  # a view without a name requests all views
        requested.update(artifact.views)
    mboxes = [*((execute and execute.mboxes) or ()), *((prefetch and prefetch.mboxes) or ())]
    requested.update(mbox.name for mbox in mboxes)
    if (execute and execute.page_load) or (prefetch and prefetch.page_load):
        requested.add(artifact.global_mbox)
    missing = [name for name in names if name not in requested]
    known_views = {*artifact.views, *artifact.remote_views, *artifact.decidable_views}
    known_mboxes = {*artifact.mboxes, *artifact.remote_mboxes, *artifact.decidable_mboxes}
    new_views = [name for name in missing if name in known_views]
    if new_views:
        views += [ViewRequest(name=name) for name in new_views]
        request = copy_with(request, prefetch=copy_with(prefetch or PrefetchRequest(), views=views))
    return with_mboxes(request, [name for name in missing if name in known_mboxes or name not in known_views])


def _notes(artifact: Artifact, call: Call, request: DeliveryRequest, has_random_id: bool) -> Iterator[str]:
    """Yield the reasons why the decision of a real call could differ from the explanation."""
    edge_only = [name for name in ("qa_mode", "preview") if getattr(request, name) is not None]
    remote = remote_parts(artifact, request)
    reasons = [*remote.mboxes, *remote.views, *edge_only]
    if call.decisioning_method is DecisioningMethod.HYBRID and reasons:
        yield f"the edge decides this hybrid call because of {items_text([name_text(reason) for reason in reasons])}"
    elif edge_only:
        yield f"on-device decisions ignore {items_text(edge_only)}"
    if call.force:
        yield "this is the decision without the forced experiences"
    if has_random_id:
        yield "the request has no visitor id, so this is the decision for a new visitor with a random id"
    geo = None if request.context is None else request.context.geo
    if geo is not None and artifact.geo_targeting_enabled and needs_lookup(geo):
        yield "a call would look up the visitor's location by the IP address; this explanation does not"
