"""The client of Adobe Target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Sequence, TypeVar, overload

from target_python_sdk.delivery.call_options import (
    Call,
    call_options,
    check_notifications,
    check_offers,
    merge_options,
    parse_mbox_names,
    with_mboxes,
)
from target_python_sdk.delivery.legacy_messages import PRIVATE_CONSTRUCTOR
from target_python_sdk.delivery.option_parsers import check_picklable, milliseconds
from target_python_sdk.delivery.options import ClientSettings, client_settings
from target_python_sdk.events import CLIENT_READY
from target_python_sdk.overridden_methods import attributes_function
from target_python_sdk.protocol import LOCATION_HINT_COOKIE, TARGET_COOKIE, VISITOR_COOKIE_PREFIX
from target_python_sdk.ready_event import ReadyEvent
from target_python_sdk.types import TargetDeliveryResponse
from target_tools.attributes_provider import AttributesProvider
from target_tools.concurrency.event_loops import running_loop
from target_tools.concurrency.lock_free import PerProcess
from target_tools.enums import DecisioningMethod
from target_tools.errors import ClientClosed, OptionError
from target_tools.event_provider import EventProvider
from target_tools.logger import Log

if TYPE_CHECKING:  # importing the types of options takes a twentieth of our import time
    from target_python_sdk.client_views import ClientConfig, DecisioningEngine
    from target_python_sdk.delivery.option_types import (
        AttributesCallbackOptions,
        AttributesOptions,
        CallbackOptions,
        CallKeywords,
        CallOptionName,
        CallOptions,
        ClientKeywords,
        ClientOptions,
        UncheckedT,
    )
    from target_python_sdk.overridden_methods import Method
    from target_python_sdk.prepared_call import PreparedCall
    from target_python_sdk.runtime import Runtime
    from target_tools.concurrency.tasks import AsyncResult
    from target_tools.typing_compat import Unpack

ResultT = TypeVar("ResultT")
Options = Optional[Mapping[Any, Any]]

#: The default of ``create``. Its type is not Optional, so that type checkers name a misspelled option.
_NO_OPTIONS: Any = None


class AuthState:
    """The authentication states of a customer id, as the Experience Cloud visitor numbers them."""

    UNKNOWN = 0
    AUTHENTICATED = 1
    LOGGED_OUT = 2


class TargetClient:
    """A client of Adobe Target for any number of visitors and threads.

    Create it once per process or application with :meth:`create`. A call takes no lock, so all threads can share
    one client. A server-side client opens no connection before the first call. A client survives ``os.fork``. Close
    it with :meth:`close` or ``with`` when it is no longer needed.
    """

    #: The name of the cookie that carries session and visitor.
    TargetCookieName = TARGET_COOKIE
    #: The name of the cookie that carries the edge cluster.
    TargetLocationHintCookieName = LOCATION_HINT_COOKIE
    AuthState = AuthState

    def __init__(self, options: Optional[Mapping[str, Any]] = None) -> None:
        if not isinstance(options, Mapping) or not options.get("internal"):
            raise OptionError(PRIVATE_CONSTRUCTOR)
        self._log = Log(options.get("logger"))
        self._settings: ClientSettings = client_settings(options, self._log)
        self._options: Dict[str, Any] = dict(options)
        self._events = EventProvider(self._settings.events, self._log)
        # A third of our modules. The first call must not spend its timeout on their import.
        from target_python_sdk.prepared_call import PreparedCall  # noqa: PLC0415
        from target_python_sdk.runtime import Runtime  # noqa: PLC0415

        self._call_class = PreparedCall
        create = partial(Runtime, self._settings, self._events, self._log)
        self._processes = PerProcess(create, Runtime.start, Runtime.discard_inherited)
        self._is_closed = False
        self._ready: Optional[ReadyEvent] = None

    @staticmethod
    def create(options: ClientOptions = _NO_OPTIONS, **keywords: Unpack[ClientKeywords]) -> TargetClient:
        """Return a client that is ready for calls. ``client_ready`` is emitted 0.1 s later.

        Options are a dict, keyword arguments, or both. An invalid value raises an ``OptionError`` that names the
        option. An unknown option is logged and has no effect.
        """
        given = merge_options(options, keywords)
        client = TargetClient({**(given if isinstance(given, Mapping) else {}), "internal": True})
        client._wait_until_ready()
        return client

    @staticmethod
    def get_visitor_cookie_name(organization_id: str) -> str:
        """Return the name of the cookie of the Experience Cloud visitor."""
        return VISITOR_COOKIE_PREFIX + organization_id

    @overload
    def get_offers(self, **options: Unpack[CallbackOptions]) -> AsyncResult[TargetDeliveryResponse]: ...
    @overload
    def get_offers(self, **options: Unpack[CallOptions]) -> TargetDeliveryResponse: ...
    @overload
    def get_offers(self, options: CallbackOptions) -> AsyncResult[TargetDeliveryResponse]: ...
    @overload
    def get_offers(self, options: Dict[CallOptionName, UncheckedT]) -> Any: ...
    @overload
    def get_offers(self, options: Dict[str, UncheckedT]) -> Any: ...
    @overload
    def get_offers(self, options: CallOptions) -> TargetDeliveryResponse: ...
    def get_offers(self, options: Options = None, **keywords: Any) -> Any:
        """Return the offers for a request, with the cookies to set.

        Options are a dict, keyword arguments, or both: ``get_offers({"request": request})``,
        ``get_offers(request=request, timeout=500)``. The request is a ``DeliveryRequest`` or a dict.

        ``decisioning_method`` chooses between the edge and an on-device decision. The call blocks for at most
        ``timeout``. With a ``callback`` it returns an
        :class:`~target_tools.concurrency.tasks.AsyncResult` at once. Raises ``OptionError`` before anything
        is sent, and a :class:`~target_python_sdk.errors.DeliveryError` if no usable answer is received.
        """
        return self._execute(self._offers_call(merge_options(options, keywords)), _identity)

    async def get_offers_async(
        self, options: CallOptions = _NO_OPTIONS, **keywords: Unpack[CallKeywords]
    ) -> TargetDeliveryResponse:
        """Return the offers without blocking the event loop. A worker executes the call."""
        return await self._execute_async(self._offers_call(merge_options(options, keywords)), _identity)

    @overload
    def send_notifications(self, **options: Unpack[CallbackOptions]) -> AsyncResult[TargetDeliveryResponse]: ...
    @overload
    def send_notifications(self, **options: Unpack[CallOptions]) -> TargetDeliveryResponse: ...
    @overload
    def send_notifications(self, options: CallbackOptions) -> AsyncResult[TargetDeliveryResponse]: ...
    @overload
    def send_notifications(self, options: Dict[CallOptionName, UncheckedT]) -> Any: ...
    @overload
    def send_notifications(self, options: Dict[str, UncheckedT]) -> Any: ...
    @overload
    def send_notifications(self, options: CallOptions) -> TargetDeliveryResponse: ...
    def send_notifications(self, options: Options = None, **keywords: Any) -> Any:
        """Report displays and clicks to the edge. The answer names the notifications that it accepted.

        Waits, returns and raises as :meth:`get_offers` does, but never decides on-device.
        """
        return self._execute(self._notifications_call(merge_options(options, keywords)), _identity)

    async def send_notifications_async(
        self, options: CallOptions = _NO_OPTIONS, **keywords: Unpack[CallKeywords]
    ) -> TargetDeliveryResponse:
        """Report displays and clicks without blocking the event loop."""
        return await self._execute_async(self._notifications_call(merge_options(options, keywords)), _identity)

    @overload
    def get_attributes(
        self, mbox_names: Sequence[str], **options: Unpack[AttributesCallbackOptions]
    ) -> AsyncResult[AttributesProvider]: ...
    @overload
    def get_attributes(
        self, mbox_names: Sequence[str], options: AttributesCallbackOptions
    ) -> AsyncResult[AttributesProvider]: ...
    @overload
    def get_attributes(self, mbox_names: Sequence[str], options: Dict[CallOptionName, UncheckedT]) -> Any: ...
    @overload
    def get_attributes(self, mbox_names: Sequence[str], options: Dict[str, UncheckedT]) -> Any: ...
    @overload
    def get_attributes(
        self,
        mbox_names: Sequence[str],
        options: Optional[AttributesOptions] = None,
        **keywords: Unpack[AttributesOptions],
    ) -> AttributesProvider: ...
    def get_attributes(self, mbox_names: Sequence[str], options: Options = None, **keywords: Any) -> Any:
        """Return the JSON offers of ``mbox_names`` as plain values.

        Names that the request does not ask for yet are added to ``execute`` in a copy of it.
        Waits, returns and raises as :meth:`get_offers` does.
        """
        merged = merge_options(options, keywords)
        call = self._attributes_call(mbox_names, merged)
        get_offers = _overridden(self.get_offers, _GET_OFFERS)
        if get_offers is None:
            return self._execute(call, AttributesProvider)
        function = attributes_function(get_offers, merged, call)
        return function() if call.callback is None else self._submit(function, call)

    async def get_attributes_async(
        self,
        mbox_names: Sequence[str],
        options: AttributesOptions = _NO_OPTIONS,
        **keywords: Unpack[AttributesOptions],
    ) -> AttributesProvider:
        """Return the JSON offers of ``mbox_names`` without blocking the event loop."""
        merged = merge_options(options, keywords)
        call = self._attributes_call(mbox_names, merged)
        get_offers = _overridden(self.get_offers, _GET_OFFERS)
        if get_offers is None:
            return await self._execute_async(call, AttributesProvider)
        return await self._submit(attributes_function(get_offers, merged, call), call)

    @property
    def config(self) -> ClientConfig:
        """The options, read-only, with the cluster that the client currently uses."""
        from target_python_sdk.client_views import ClientConfig  # noqa: PLC0415 - few applications use it

        return ClientConfig(self._options, partial(_location_hint, self._settings, self._processes))

    @property
    def decisioning_engine(self) -> Optional[DecisioningEngine]:
        """The state of the rule artifact; None for a server-side client."""
        from target_python_sdk.client_views import DecisioningEngine  # noqa: PLC0415 - few applications use it

        if self._settings.decisioning_method is DecisioningMethod.SERVER_SIDE:
            return None
        processes = self._processes
        return DecisioningEngine(lambda: processes.get().artifacts)

    @property
    def event_emitter(self) -> Callable[..., None]:
        """A function that emits an event of this client; it takes the name and the payload."""
        return self._events.emit

    @property
    def logger(self) -> Any:
        """The logger from the options, or ``adobe.target``."""
        return self._log.logger

    def initialize(self) -> None:
        """Do nothing. 1.1.0 had this method; :meth:`create` initializes the client."""

    def stats(self) -> Dict[str, int]:
        """Return the counters of this process, and its calls in progress.

        ``calls``, ``failures``, ``retries``, ``invalid_hints``; the ``pending`` and ``running`` calls with a
        callback, the ``threads`` that execute them, and how many such calls were ``refused`` by a full queue or
        ``dropped`` by ``close``.
        """
        return self._processes.get().stats()

    def flush(self, timeout: Optional[float] = None) -> bool:
        """Wait until every call with a callback that was made before is done.

        ``timeout`` is in milliseconds; None waits without a limit. Returns False if some calls were not done in
        time; they continue.
        """
        seconds = _to_seconds(timeout)
        runtime = self._processes.current()
        return runtime is None or runtime.workers.flush(seconds)

    def close(self, timeout: Optional[float] = None) -> bool:
        """Accept no more calls, wait for those in progress, and close the connections.

        ``timeout`` is in milliseconds; None means ``shutdown_timeout``. Calls that no worker has begun by then end
        with ``ClientClosed``. Returns False if some calls were not done in time. Later calls raise
        ``ClientClosed``. Closing twice does no harm.
        """
        seconds = self._settings.shutdown_timeout if timeout is None else _to_seconds(timeout)
        if self._ready is not None:
            self._ready.cancel()
        self._is_closed = True
        runtime = self._processes.current()
        return runtime is None or runtime.close(seconds)

    def __enter__(self) -> TargetClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<TargetClient {self._settings.client}{' (closed)' if self._is_closed else ''}>"

    def __getstate__(self) -> Dict[str, Any]:
        """Return the options. An unpickled client has its own connections and does not emit ``client_ready``."""
        for name, value in self._options.items():
            check_picklable(name, value)
        return self._options

    def __setstate__(self, options: Dict[str, Any]) -> None:
        TargetClient.__init__(self, options)

    def __copy__(self) -> TargetClient:
        return type(self)(self._options)

    def __deepcopy__(self, memo: Dict[int, Any]) -> TargetClient:
        return type(self)(self._options)  # the options are never changed, so both clients can share them

    def _wait_until_ready(self) -> None:
        """Start the downloads. An on-device client waits for its first artifact."""
        method = self._settings.decisioning_method
        if method is not DecisioningMethod.SERVER_SIDE:
            runtime = self._processes.get()
            if method is DecisioningMethod.ON_DEVICE:
                runtime.wait_for_artifact(self._settings.maximum_wait_ready)
        if self._events.has_subscriber(CLIENT_READY):
            events = self._events  # a reference to the client would form a cycle
            self._ready = ReadyEvent(lambda: events.emit(CLIENT_READY), self._settings.shutdown_timeout)
            self._on_ready(self._ready.start)

    def _on_ready(self, act: Callable[[], object]) -> None:
        """Call ``act`` when calls can be answered. Only an on-device client has to wait for that."""
        is_on_device = self._settings.decisioning_method is DecisioningMethod.ON_DEVICE
        source = self._processes.get().artifacts if is_on_device else None
        if source is None:
            act()
        else:
            source.on_ready(act)

    def _ensure_ready_event(self, event: ReadyEvent) -> None:
        """Emit ``client_ready`` if a fork or a lack of threads has prevented it."""
        if event.was_inherited():
            self._ready = event.for_this_process()
            self._on_ready(self._ready.start)
        else:
            event.emit_if_overdue()

    def _offers_call(self, options: Options) -> Call:
        call = self._parse_call(options)
        check_offers(call.request)
        return call

    def _notifications_call(self, options: Options) -> Call:
        call = self._parse_call(options)._replace(decisioning_method=DecisioningMethod.SERVER_SIDE)
        check_notifications(call.request)
        return call

    def _attributes_call(self, mbox_names: Sequence[str], options: Options) -> Call:
        names = parse_mbox_names(mbox_names)
        call = self._parse_call(options, requires_request=False)
        call = call._replace(request=with_mboxes(call.request, names))
        check_offers(call.request)
        return call

    def _parse_call(self, options: Options, requires_request: bool = True) -> Call:
        if self._is_closed:
            raise ClientClosed("the client was closed")
        if self._ready is not None:
            self._ensure_ready_event(self._ready)
        return call_options(options, self._settings, self._log, requires_request)

    def _execute(self, call: Call, convert: Callable[[TargetDeliveryResponse], ResultT]) -> Any:
        """Return the result of a call; with a callback, the ``AsyncResult`` that will hold it."""
        prepared = self._prepare(call, convert)
        return prepared.execute() if call.callback is None else prepared.submit()

    async def _execute_async(self, call: Call, convert: Callable[[TargetDeliveryResponse], ResultT]) -> ResultT:
        running_loop()  # raises if there is no event loop, before anything is sent
        return await self._prepare(call, convert).submit()

    def _prepare(self, call: Call, convert: Callable[[TargetDeliveryResponse], ResultT]) -> PreparedCall[ResultT]:
        send_notifications = None
        if call.decisioning_method is not DecisioningMethod.SERVER_SIDE:
            send_notifications = _overridden(self.send_notifications, _SEND_NOTIFICATIONS)
        return self._call_class(call, self._processes.get(), convert, send_notifications)

    def _submit(self, function: Callable[[], ResultT], call: Call) -> AsyncResult[ResultT]:
        """Let a worker call ``function`` and the callbacks of ``call``."""
        from target_tools.concurrency.tasks import CallbackTask  # noqa: PLC0415 - imported with the first client

        task = CallbackTask(function, call.callback, call.err_callback, self._log)
        return self._processes.get().workers.submit_call(task)


#: The methods that a subclass or a test may replace.
_GET_OFFERS, _SEND_NOTIFICATIONS = TargetClient.get_offers, TargetClient.send_notifications


def _overridden(method: Callable[..., Any], genuine: Callable[..., Any]) -> Optional[Method]:
    """Return the bound ``method`` of a client, or None if it is the ``genuine`` one."""
    return None if getattr(method, "__func__", None) is genuine else method


def _location_hint(settings: ClientSettings, processes: PerProcess[Runtime]) -> Optional[str]:
    runtime = processes.current()
    return settings.target_location_hint if runtime is None else runtime.location_hint


def _identity(envelope: TargetDeliveryResponse) -> TargetDeliveryResponse:
    return envelope


def _to_seconds(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else float(milliseconds(0)("timeout", timeout))
