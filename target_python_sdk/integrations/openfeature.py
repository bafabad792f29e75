"""A provider of OpenFeature. The flag ``mbox.attribute`` is an attribute of the JSON offer of an mbox.

Set the provider with a client, or with the options of one::

    api.set_provider(TargetProvider(target_client))

    enabled = api.get_client().get_boolean_value("checkout.express", False, EvaluationContext("customer-1"))
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Collection, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from openfeature.exception import GeneralError, OpenFeatureError, ProviderFatalError, ProviderNotReadyError
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider, Metadata

from target_python_sdk.client import TargetClient
from target_python_sdk.integrations.openfeature_context import (
    IDS,
    CallContext,
    ContextSettings,
    parameters_of,
    read_context,
)
from target_python_sdk.integrations.openfeature_flags import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    OBJECT,
    STRING,
    FlagSource,
    FlagType,
    GivenSource,
    check_type,
    find_source,
    openfeature_error,
    parse_flags,
    read_flag,
    reject,
)
from target_python_sdk.integrations.openfeature_status import ProviderEvents
from target_python_sdk.types import ExecuteRequest, MboxRequest, Notification, NotificationMbox, Order
from target_python_sdk.visits.reports import queue_call
from target_tools.error_text import shown
from target_tools.errors import OptionError, TargetError

if TYPE_CHECKING:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
    from openfeature.track import TrackingEventDetails

    from target_python_sdk.delivery.option_types import ClientOptions
    from target_python_sdk.types import TargetDeliveryResponse

    ObjectValue = Union[Sequence[FlagValueType], Mapping[str, FlagValueType]]

__all__ = ["TargetProvider"]


class TargetProvider(AbstractProvider):
    """Resolves flags with Adobe Target.

    ``client`` is a :class:`~target_python_sdk.TargetClient`, or the options of a client. A client that the provider
    creates is closed by :meth:`shutdown`.

    :param flags: The sources of flags whose keys are not ``mbox.attribute``, by flag key. A source is
        ``"mbox.attribute"`` or ``(mbox, attribute)``.
    :param targeting_key: Which id of the visitor the targeting key is: ``third_party_id``, ``tnt_id`` or
        ``marketing_cloud_visitor_id``.
    :param require_targeting_key: Refuse evaluations without an id. Otherwise, each of them is for a new visitor.
    :param private_attributes: The attributes of the evaluation context that are not sent.
    :param explain: Add an explanation of each on-device decision to the flag metadata.
    :param hooks: Hooks that run in every evaluation.
    :param name: The name in the metadata of the provider.
    """

    def __init__(
        self,
        client: Union[TargetClient, ClientOptions],
        *,
        flags: Optional[Mapping[str, GivenSource]] = None,
        targeting_key: str = "third_party_id",
        require_targeting_key: bool = True,
        private_attributes: Collection[str] = (),
        explain: bool = False,
        hooks: Sequence[Hook] = (),
        name: str = "adobe-target",
    ) -> None:
        super().__init__()
        check_type("client", "a TargetClient or the options of one", client, (TargetClient, Mapping))
        check_type("private_attributes", "a list of names", private_attributes, (list, tuple, set, frozenset))
        if targeting_key not in IDS:
            reject("targeting_key", " or ".join(map(repr, IDS)), targeting_key)
        self._given_client = client
        self._flags = parse_flags(flags or {})
        self._context = ContextSettings(targeting_key, require_targeting_key, frozenset(private_attributes))
        self._explains = explain
        self._hooks = list(hooks)
        self._metadata = Metadata(name)
        #: The client, between ``initialize`` and ``shutdown``.
        self._client: Optional[TargetClient] = None
        self._events: Optional[ProviderEvents] = None

    # The provider

    def get_metadata(self) -> Metadata:
        """Return the name of the provider."""
        return self._metadata

    def get_provider_hooks(self) -> List[Hook]:
        """Return the hooks that run in every evaluation."""
        return self._hooks

    def initialize(self, evaluation_context: Optional[EvaluationContext] = None) -> None:
        """Create the client if the provider was given options, and wait for the first rule artifact.

        Raises ``ProviderFatalError`` for invalid options and for a closed client. Raises ``GeneralError`` if an
        on-device client has no artifact after ``maximum_wait_ready``; the provider becomes ready when the artifact is
        downloaded later.
        """
        given = self._given_client
        try:
            client = given if isinstance(given, TargetClient) else TargetClient.create(given)
        except OptionError as error:
            raise ProviderFatalError(str(error)) from error
        if client._is_closed:
            raise ProviderFatalError("the client is closed")
        self._client, self._events = client, ProviderEvents(client, self.emit)
        problem = self._events.start()
        if problem:
            raise GeneralError(problem)

    def shutdown(self) -> None:
        """Close the client if the provider created it."""
        client, self._client = self._client, None
        events, self._events = self._events, None
        if events is not None:
            events.stop()
        if client is not None and client is not self._given_client:
            client.close()

    # Evaluation

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: Optional[EvaluationContext] = None
    ) -> FlagResolutionDetails[bool]:
        """Return the value of a boolean flag."""
        return self._resolve(BOOLEAN, flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: Optional[EvaluationContext] = None
    ) -> FlagResolutionDetails[str]:
        """Return the value of a string flag."""
        return self._resolve(STRING, flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: Optional[EvaluationContext] = None
    ) -> FlagResolutionDetails[int]:
        """Return the value of an integer flag."""
        return self._resolve(INTEGER, flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: Optional[EvaluationContext] = None
    ) -> FlagResolutionDetails[float]:
        """Return the value of a float flag. An integer is converted."""
        return self._resolve(FLOAT, flag_key, default_value, evaluation_context)

    def resolve_object_details(
        self, flag_key: str, default_value: ObjectValue, evaluation_context: Optional[EvaluationContext] = None
    ) -> FlagResolutionDetails[ObjectValue]:
        """Return the value of a flag that is an object or a list."""
        return self._resolve(OBJECT, flag_key, default_value, evaluation_context)

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: Optional[EvaluationContext] = None
    ) -> FlagResolutionDetails[bool]:
        """Return the value of a boolean flag without blocking the event loop."""
        return await self._resolve_async(BOOLEAN, flag_key, default_value, evaluation_context)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: Optional[EvaluationContext] = None
    ) -> FlagResolutionDetails[str]:
        """Return the value of a string flag without blocking the event loop."""
        return await self._resolve_async(STRING, flag_key, default_value, evaluation_context)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: Optional[EvaluationContext] = None
    ) -> FlagResolutionDetails[int]:
        """Return the value of an integer flag without blocking the event loop."""
        return await self._resolve_async(INTEGER, flag_key, default_value, evaluation_context)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: Optional[EvaluationContext] = None
    ) -> FlagResolutionDetails[float]:
        """Return the value of a float flag without blocking the event loop."""
        return await self._resolve_async(FLOAT, flag_key, default_value, evaluation_context)

    async def resolve_object_details_async(
        self, flag_key: str, default_value: ObjectValue, evaluation_context: Optional[EvaluationContext] = None
    ) -> FlagResolutionDetails[ObjectValue]:
        """Return the value of a flag that is an object or a list without blocking the event loop."""
        return await self._resolve_async(OBJECT, flag_key, default_value, evaluation_context)

    def _resolve(
        self, kind: FlagType, flag_key: str, default: Any, evaluation_context: Optional[EvaluationContext]
    ) -> FlagResolutionDetails[Any]:
        client, source, options = self._prepare(flag_key, evaluation_context)
        try:
            answer = client.get_offers(options)
        except TargetError as error:
            raise openfeature_error(error) from error
        details = self._read(client, answer, source, kind, default)
        if self._explains:
            self._add_explanation(client, details, source, options)
        return details

    async def _resolve_async(
        self, kind: FlagType, flag_key: str, default: Any, evaluation_context: Optional[EvaluationContext]
    ) -> FlagResolutionDetails[Any]:
        client, source, options = self._prepare(flag_key, evaluation_context)
        try:
            answer = await client.get_offers_async(options)
        except TargetError as error:
            raise openfeature_error(error) from error
        details = self._read(client, answer, source, kind, default)
        if self._explains:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, self._add_explanation, client, details, source, options)
        return details

    def _prepare(
        self, flag_key: str, evaluation_context: Optional[EvaluationContext]
    ) -> Tuple[TargetClient, FlagSource, Dict[str, Any]]:
        """Return the client, the source of the flag, and the options of the call."""
        client = self._ready_client()
        source = find_source(flag_key, self._flags)
        parts = read_context(evaluation_context, self._context)
        mbox = MboxRequest(
            name=source.mbox, parameters=parts.parameters, profile_parameters=parts.profile_parameters
        )
        # With "default", the answer to a failed call has the error, and the client logs one line for each outage.
        options = {**parts.with_request(execute=ExecuteRequest(mboxes=[mbox])), "on_error": "default"}
        return client, source, options

    def _read(
        self, client: TargetClient, answer: TargetDeliveryResponse, source: FlagSource, kind: FlagType, default: Any
    ) -> FlagResolutionDetails[Any]:
        details = read_flag(answer, source, kind, default, lambda mbox: _knows_mbox(client, mbox))
        events = self._events
        if events is not None:
            events.confirm()
        return details

    def _add_explanation(
        self, client: TargetClient, details: FlagResolutionDetails[Any], source: FlagSource, options: Dict[str, Any]
    ) -> None:
        """Add an explanation to the metadata of a flag that was decided on-device."""
        if details.flag_metadata.get("decisioning_method") == "on-device":
            try:
                explanation = str(client.explain(options, source.mbox))
            except TargetError as error:  # the flag has a value, so this is no reason to fail
                explanation = f"not available: {type(error).__name__}"
            details.flag_metadata = {**details.flag_metadata, "explanation": explanation}

    def _ready_client(self) -> TargetClient:
        client = self._client
        if client is None:
            raise ProviderNotReadyError("the provider is not initialized, or it was shut down")
        return client

    # Tracking

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: Optional[EvaluationContext] = None,
        tracking_event_details: Optional[TrackingEventDetails] = None,
    ) -> None:
        """Send a notification for the mbox ``tracking_event_name`` in the background.

        With the attribute ``order_id``, the event is an order whose total is the value. Problems are only logged.
        """
        client = self._ready_client()
        try:
            parts = read_context(evaluation_context, self._context)
            notification = _notification(tracking_event_name, parts, tracking_event_details)
            queue_call(client, parts.with_request(notifications=[notification]))
        except (OpenFeatureError, TargetError) as error:
            text = error.error_message if isinstance(error, OpenFeatureError) else str(error)
            client._log.warning("The tracking event %s was not sent: %s", shown(tracking_event_name), text)


def _notification(name: str, parts: CallContext, details: Optional[TrackingEventDetails]) -> Notification:
    attributes: Dict[str, Any] = {} if details is None else dict(details.attributes)
    value = None if details is None else details.value
    order_id, products = attributes.pop("order_id", None), attributes.pop("purchased_product_ids", None)
    if order_id is None and value is not None:
        attributes["value"] = value
    parameters = {**(parts.parameters or {}), **parameters_of(attributes, "attributes")}
    try:
        return Notification(
            type="display",
            mbox=NotificationMbox(name=name),
            parameters=parameters or None,
            profile_parameters=parts.profile_parameters,
            order=None if order_id is None else Order(id=order_id, total=value, purchased_product_ids=products),
        )
    except (TypeError, ValueError):
        expected = "a name of up to 250 characters, an order_id of that length, a total of at least 0, and product ids"
        raise OptionError(f"expected {expected} as text", "track", expected) from None


def _knows_mbox(client: TargetClient, mbox: str) -> bool:
    source = client._processes.get().artifacts
    artifact = None if source is None else source.artifact
    return artifact is None or mbox in artifact.mboxes or mbox in artifact.remote_mboxes
