"""The calls of a client: offers, attributes and notifications, blocking, with a callback, or awaited."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Sequence, Type, TypeVar, overload

from target_python_sdk.delivery.call_options import (
    Call,
    check_not_forced,
    check_notifications,
    check_offers,
    parse_mbox_names,
    with_mboxes,
)
from target_python_sdk.types import TargetDeliveryResponse
from target_tools.attributes_provider import AttributesProvider
from target_tools.enums import DecisioningMethod
from target_tools.errors import OptionError
from target_tools.schema.model import deep_copy

if TYPE_CHECKING:  # importing the types of options takes a twentieth of our import time
    from target_python_sdk.delivery.option_types import (
        AttributesCallbackKeywords,
        AttributesCallbackOptions,
        AttributesKeywords,
        AttributesOptions,
        CallbackKeywords,
        CallbackOptions,
        CallKeywords,
        CallOptionName,
        CallOptions,
        OfferCallbackKeywords,
        OfferKeywords,
        UncheckedKeywords,
        UncheckedT,
    )
    from target_python_sdk.explain.explanation import Explanation
    from target_python_sdk.notifications import Method
    from target_python_sdk.prepared_call import PreparedCall
    from target_python_sdk.runtime import Runtime
    from target_tools.concurrency.event_loops import TurnsByLoop
    from target_tools.concurrency.lock_free import PerProcess
    from target_tools.concurrency.tasks import AsyncResult
    from target_tools.logger import Log
    from target_tools.typing_compat import Unpack

ResultT = TypeVar("ResultT")
Options = Optional[Mapping[Any, Any]]

#: The default of the parameter ``options``. It is ``Any`` so that the parameter need not be Optional: for an
#: Optional parameter, type checkers do not name a misspelled option of a dict.
NO_OPTIONS: Any = None


class ClientCalls:
    """The methods of a client that send requests."""

    _log: Log
    _processes: PerProcess[Runtime]
    _turns: TurnsByLoop
    _call_class: Type[PreparedCall[Any]]

    @overload
    def get_offers(
        self, options: None = None, **keywords: Unpack[OfferCallbackKeywords]
    ) -> AsyncResult[TargetDeliveryResponse]: ...
    @overload
    def get_offers(
        self, options: None = None, **keywords: Unpack[OfferKeywords]
    ) -> TargetDeliveryResponse: ...
    @overload
    def get_offers(
        self, options: CallbackOptions, **keywords: Unpack[CallKeywords]
    ) -> AsyncResult[TargetDeliveryResponse]: ...
    @overload
    def get_offers(
        self, options: CallOptions, **keywords: Unpack[CallbackKeywords]
    ) -> AsyncResult[TargetDeliveryResponse]: ...
    @overload
    def get_offers(self, options: Dict[CallOptionName, UncheckedT], **keywords: Unpack[UncheckedKeywords]) -> Any: ...
    @overload
    def get_offers(self, options: Dict[str, UncheckedT], **keywords: Unpack[UncheckedKeywords]) -> Any: ...
    @overload
    def get_offers(self, options: CallOptions, **keywords: Unpack[CallKeywords]) -> TargetDeliveryResponse: ...
    def get_offers(self, options: Options = None, **keywords: Any) -> Any:
        """Return the offers for a request, with the cookies to set.

        Options are a dict, keyword arguments, or both: ``get_offers({"request": request})``,
        ``get_offers(request=request, timeout=500)``. The request is a ``DeliveryRequest`` or a dict.

        ``decisioning_method`` chooses between the edge and an on-device decision. The call blocks for at most
        ``timeout``. With a ``callback`` it returns an
        :class:`~target_tools.concurrency.tasks.AsyncResult` at once. Raises ``OptionError`` for invalid options, before
        anything is sent, and a :class:`~target_python_sdk.errors.DeliveryError` if no usable answer is received.
        """
        if options.__class__ is dict and not keywords:
            envelope = self._decide_common_call(options)
            if envelope is not None:
                return envelope
        return self._execute(self._offers_call(merge_options(options, keywords)), _identity)

    @overload
    async def get_offers_async(
        self, options: Dict[CallOptionName, UncheckedT], **keywords: Unpack[CallKeywords]
    ) -> TargetDeliveryResponse: ...
    @overload
    async def get_offers_async(
        self, options: Dict[str, UncheckedT], **keywords: Unpack[CallKeywords]
    ) -> TargetDeliveryResponse: ...
    @overload
    async def get_offers_async(
        self, options: CallOptions = NO_OPTIONS, **keywords: Unpack[CallKeywords]
    ) -> TargetDeliveryResponse: ...
    async def get_offers_async(self, options: Options = None, **keywords: Any) -> TargetDeliveryResponse:
        """Return the offers without blocking the event loop. A worker executes the call."""
        return await self._execute_async(self._offers_call, merge_options(options, keywords), _identity)

    @overload
    def send_notifications(
        self, options: None = None, **keywords: Unpack[OfferCallbackKeywords]
    ) -> AsyncResult[TargetDeliveryResponse]: ...
    @overload
    def send_notifications(
        self, options: None = None, **keywords: Unpack[OfferKeywords]
    ) -> TargetDeliveryResponse: ...
    @overload
    def send_notifications(
        self, options: CallbackOptions, **keywords: Unpack[CallKeywords]
    ) -> AsyncResult[TargetDeliveryResponse]: ...
    @overload
    def send_notifications(
        self, options: CallOptions, **keywords: Unpack[CallbackKeywords]
    ) -> AsyncResult[TargetDeliveryResponse]: ...
    @overload
    def send_notifications(
        self, options: Dict[CallOptionName, UncheckedT], **keywords: Unpack[UncheckedKeywords]
    ) -> Any: ...
    @overload
    def send_notifications(self, options: Dict[str, UncheckedT], **keywords: Unpack[UncheckedKeywords]) -> Any: ...
    @overload
    def send_notifications(self, options: CallOptions, **keywords: Unpack[CallKeywords]) -> TargetDeliveryResponse: ...
    def send_notifications(self, options: Options = None, **keywords: Any) -> Any:
        """Report displays and clicks to the edge. The answer names the notifications that the edge accepted.

        Waits, returns and raises as :meth:`get_offers` does, but never decides on-device.
        """
        return self._execute(self._notifications_call(merge_options(options, keywords)), _identity)

    @overload
    async def send_notifications_async(
        self, options: Dict[CallOptionName, UncheckedT], **keywords: Unpack[CallKeywords]
    ) -> TargetDeliveryResponse: ...
    @overload
    async def send_notifications_async(
        self, options: Dict[str, UncheckedT], **keywords: Unpack[CallKeywords]
    ) -> TargetDeliveryResponse: ...
    @overload
    async def send_notifications_async(
        self, options: CallOptions = NO_OPTIONS, **keywords: Unpack[CallKeywords]
    ) -> TargetDeliveryResponse: ...
    async def send_notifications_async(self, options: Options = None, **keywords: Any) -> TargetDeliveryResponse:
        """Report displays and clicks without blocking the event loop."""
        return await self._execute_async(self._notifications_call, merge_options(options, keywords), _identity)

    @overload
    def get_attributes(
        self,
        mbox_names: Sequence[str],
        options: Optional[AttributesOptions] = None,
        **keywords: Unpack[AttributesCallbackKeywords],
    ) -> AsyncResult[AttributesProvider]: ...
    @overload
    def get_attributes(
        self, mbox_names: Sequence[str], options: AttributesCallbackOptions, **keywords: Unpack[CallKeywords]
    ) -> AsyncResult[AttributesProvider]: ...
    @overload
    def get_attributes(
        self,
        mbox_names: Sequence[str],
        options: Dict[CallOptionName, UncheckedT],
        **keywords: Unpack[UncheckedKeywords],
    ) -> Any: ...
    @overload
    def get_attributes(
        self, mbox_names: Sequence[str], options: Dict[str, UncheckedT], **keywords: Unpack[UncheckedKeywords]
    ) -> Any: ...
    @overload
    def get_attributes(
        self, mbox_names: Sequence[str], options: None = None, **keywords: Unpack[AttributesKeywords]
    ) -> AttributesProvider: ...
    @overload
    def get_attributes(
        self, mbox_names: Sequence[str], options: AttributesOptions, **keywords: Unpack[AttributesKeywords]
    ) -> AttributesProvider: ...
    def get_attributes(self, mbox_names: Sequence[str], options: Options = None, **keywords: Any) -> Any:
        """Return the JSON offers of ``mbox_names`` as plain values.

        Names that the request does not contain yet are added to ``execute`` in a copy of the request.
        Waits, returns and raises as :meth:`get_offers` does.
        """
        merged = merge_options(options, keywords)
        get_offers = _replacement(self.get_offers, _GET_OFFERS)
        if merged.__class__ is dict and mbox_names.__class__ in (list, tuple) and get_offers is None:
            envelope = self._decide_common_call(merged, mbox_names)
            if envelope is not None:
                return AttributesProvider(envelope)
        call = self._attributes_call(mbox_names, merged)
        if get_offers is None:
            return self._execute(call, AttributesProvider)
        function = _attributes_function(get_offers, merged, call)
        return function() if call.callback is None else self._submit(function, call)

    @overload
    async def get_attributes_async(
        self,
        mbox_names: Sequence[str],
        options: Dict[CallOptionName, UncheckedT],
        **keywords: Unpack[AttributesKeywords],
    ) -> AttributesProvider: ...
    @overload
    async def get_attributes_async(
        self, mbox_names: Sequence[str], options: Dict[str, UncheckedT], **keywords: Unpack[AttributesKeywords]
    ) -> AttributesProvider: ...
    @overload
    async def get_attributes_async(
        self,
        mbox_names: Sequence[str],
        options: AttributesOptions = NO_OPTIONS,
        **keywords: Unpack[AttributesKeywords],
    ) -> AttributesProvider: ...
    async def get_attributes_async(
        self, mbox_names: Sequence[str], options: Options = None, **keywords: Any
    ) -> AttributesProvider:
        """Return the JSON offers of ``mbox_names`` without blocking the event loop."""
        merged = merge_options(options, keywords)
        parse = partial(self._attributes_call, parse_mbox_names(mbox_names))
        get_offers = _replacement(self.get_offers, _GET_OFFERS)
        if get_offers is None:
            return await self._execute_async(parse, merged, AttributesProvider)
        call = parse(merged)
        return await self._submit(_attributes_function(get_offers, merged, call), call)

    @overload
    def explain(
        self, options: Dict[CallOptionName, UncheckedT], *locations: str, **keywords: Unpack[CallKeywords]
    ) -> Explanation: ...
    @overload
    def explain(
        self, options: Dict[str, UncheckedT], *locations: str, **keywords: Unpack[CallKeywords]
    ) -> Explanation: ...
    @overload
    def explain(
        self, options: CallOptions = NO_OPTIONS, *locations: str, **keywords: Unpack[CallKeywords]
    ) -> Explanation: ...
    def explain(self, options: Options = None, *locations: str, **keywords: Any) -> Explanation:
        """Explain the on-device decision of a call: which rules decide, and why the others do not.

        Options are a dict, keyword arguments, or both, as for :meth:`get_offers`. ``locations`` are the names of mboxes
        and views. They follow a dict of options: ``explain({"request": request}, "hero", "cart")``. The request need
        not contain these names. Without ``locations``, all locations of the request are explained. Nothing is sent and
        nothing is counted, and the location of an IP address is not looked up. Raises ``OptionError`` for a server-side
        call, because only the edge can explain its decisions, ``ArtifactNotAvailable`` before the first artifact, and
        ``DeadlineExceeded`` if the rules take longer than ``timeout``.
        """
        from target_python_sdk.explain.calls import explain_call  # noqa: PLC0415 - few applications use it

        call = self._parse_call(merge_options(options, keywords), requires_request=False)
        runtime = self._processes.get()
        engine = runtime.on_device_context.engine
        return explain_call(call, locations, runtime.settings, runtime.artifacts, engine, runtime.location_hint)

    def _decide_common_call(
        self, options: Options, mbox_names: Sequence[str] = ()
    ) -> Optional[TargetDeliveryResponse]:
        raise NotImplementedError

    def _parse_call(self, options: Options, requires_request: bool = True) -> Call:
        raise NotImplementedError

    def _offers_call(self, options: Options) -> Call:
        call = self._parse_call(options)
        check_offers(call.request, call.hint)
        return call

    def _notifications_call(self, options: Options) -> Call:
        method = DecisioningMethod.SERVER_SIDE
        call = self._parse_call(options)._replace(decisioning_method=method, kind="send_notifications")
        check_notifications(call.request, call.hint)
        check_not_forced(call)
        return call

    def _attributes_call(self, mbox_names: Sequence[str], options: Options) -> Call:
        names = parse_mbox_names(mbox_names)
        call = self._parse_call(options, requires_request=False)
        call = call._replace(request=with_mboxes(call.request, names), kind="get_attributes")
        check_offers(call.request, call.hint)
        return call

    def _execute(self, call: Call, convert: Callable[[TargetDeliveryResponse], ResultT]) -> Any:
        """Return the result of a call; with a callback, the ``AsyncResult`` that will hold it."""
        prepared = self._prepare(call, convert)
        return prepared.execute() if call.callback is None else prepared.submit()

    async def _execute_async(
        self,
        parse: Callable[[Options], Call],
        options: Options,
        convert: Callable[[TargetDeliveryResponse], ResultT],
    ) -> ResultT:
        """Let a worker execute a call. If many calls start together, wait for a turn before preparing the call."""
        loop, turns = self._turns.current()
        if turns.must_wait():
            options = deep_copy(options)  # the caller can change the request in the meantime
            await turns.wait(loop)
        with turns.use(loop):
            result = self._prepare(parse(options), convert).submit()
        try:
            return await result
        finally:
            del result  # breaks the cycle of error, traceback and result

    async def _build_options(self, build: Callable[[], Options]) -> Options:
        """Build the options of an awaited call now, or later if many calls start together."""
        loop, turns = self._turns.current()
        return await turns.build(loop, build)

    async def _wait_for_earlier_calls(self) -> None:
        """Wait until the awaited calls of this event loop, including those of tasks just created, are prepared."""
        import asyncio  # noqa: PLC0415 - a program that awaits has loaded it

        loop, turns = self._turns.current()
        await asyncio.sleep(0)  # the event loop starts the tasks that exist now
        if turns.must_wait():
            await turns.wait(loop)

    def _prepare(self, call: Call, convert: Callable[[TargetDeliveryResponse], ResultT]) -> PreparedCall[ResultT]:
        is_server_side = call.decisioning_method is DecisioningMethod.SERVER_SIDE
        send_notifications = None if is_server_side else self._replaced_send_notifications()
        call_class = self._call_class
        if not call.consent:
            call_class = self._unconsented_call_class()
        elif call.force:
            call_class = self._forced_call_class()
        return call_class(call, self._processes.get(), convert, send_notifications)

    def _forced_call_class(self) -> Type[PreparedCall[Any]]:
        from target_python_sdk.forced_call import ForcedCall  # noqa: PLC0415 - few calls need it

        return ForcedCall

    def _unconsented_call_class(self) -> Type[PreparedCall[Any]]:
        from target_python_sdk.unconsented_call import UnconsentedCall  # noqa: PLC0415 - few calls need it

        return UnconsentedCall

    def _replaced_send_notifications(self) -> Optional[Method]:
        """Return ``send_notifications`` if a subclass or a test has replaced it."""
        return _replacement(self.send_notifications, _SEND_NOTIFICATIONS)

    def _submit(self, function: Callable[[], ResultT], call: Call) -> AsyncResult[ResultT]:
        """Let a worker call ``function`` and the callbacks of ``call``."""
        from target_tools.concurrency.tasks import CallbackTask  # noqa: PLC0415 - imported with the first client

        task = CallbackTask(function, call.callback, call.err_callback, self._log)
        return self._processes.get().workers.submit_call(task)


#: The original methods, which a subclass or a test may replace.
_GET_OFFERS, _SEND_NOTIFICATIONS = ClientCalls.get_offers, ClientCalls.send_notifications


def merge_options(options: Optional[Mapping[str, Any]], keywords: Mapping[str, Any]) -> Optional[Mapping[str, Any]]:
    """Return the options of a dict and of keyword arguments. Raises ``OptionError`` for an option that is in both."""
    if options is None:
        return keywords or None
    if not keywords or not isinstance(options, Mapping):
        return options
    for name in keywords:
        if options.get(name) is not None:
            raise OptionError(f"Invalid option '{name}': given both in the dict and as a keyword argument", name)
    return {**options, **keywords}


def _attributes_function(
    get_offers: Method, options: Optional[Mapping[str, Any]], call: Call
) -> Callable[[], AttributesProvider]:
    """Return a function that passes the options of ``get_attributes``, without callbacks, to ``get_offers``."""
    kept = {name: value for name, value in (options or {}).items() if name not in ("callback", "err_callback")}
    return lambda: AttributesProvider(get_offers({**kept, "request": call.request}))


def _replacement(method: Callable[..., Any], genuine: Callable[..., Any]) -> Optional[Method]:
    """Return the bound ``method`` of a client, or None if it is the ``genuine`` one."""
    return None if getattr(method, "__func__", None) is genuine else method


def _identity(envelope: TargetDeliveryResponse) -> TargetDeliveryResponse:
    return envelope
