"""The client of Adobe Target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Sequence, Type, TypeVar, overload

from target_python_sdk.client_calls import NO_OPTIONS, ClientCalls, Options, merge_options
from target_python_sdk.delivery.call_options import Call, call_options, parse_mbox_names, with_mboxes
from target_python_sdk.delivery.legacy_messages import OPTIONS_REQUIRED, PRIVATE_CONSTRUCTOR
from target_python_sdk.delivery.option_parsers import SUSPICIOUS_MILLISECONDS, check_picklable, milliseconds, warn_short
from target_python_sdk.events import CLIENT_READY
from target_python_sdk.protocol import LOCATION_HINT_COOKIE, TARGET_COOKIE, VISITOR_COOKIE_PREFIX
from target_tools.enums import DecisioningMethod
from target_tools.error_text import invalid
from target_tools.errors import ClientClosed, OptionError
from target_tools.event_provider import EventProvider
from target_tools.logger import Log

if TYPE_CHECKING:  # importing the types of options takes a twentieth of our import time
    from target_python_sdk.async_lifecycle import ClientCreation
    from target_python_sdk.client_views import ClientConfig, DecisioningEngine
    from target_python_sdk.delivery.option_types import ClientKeywords, ClientOptionName, ClientOptions, UncheckedT
    from target_python_sdk.delivery.options import ClientSettings
    from target_python_sdk.ready_event import ReadyEvent
    from target_python_sdk.runtime import Runtime
    from target_python_sdk.stats import ClientStats
    from target_python_sdk.types import TargetDeliveryResponse
    from target_tools.concurrency.lock_free import PerProcess
    from target_tools.typing_compat import Unpack

ClientT = TypeVar("ClientT", bound="TargetClient")


class AuthState:
    """The authentication states of a customer id, with their numbers in the Experience Cloud ID service."""

    UNKNOWN = 0
    AUTHENTICATED = 1
    LOGGED_OUT = 2


class TargetClient(ClientCalls):
    """A client of Adobe Target for any number of visitors and threads.

    Create it once per process or application with :meth:`create`. A call takes no lock, so all threads can share
    one client. A server-side client opens no connection before the first call. After ``os.fork``, both processes can
    use the client. Close it with :meth:`close` or ``with`` when it is no longer needed.
    """

    #: The name of the cookie with the session id and the device id.
    TargetCookieName = TARGET_COOKIE
    #: The name of the cookie with the edge cluster.
    TargetLocationHintCookieName = LOCATION_HINT_COOKIE
    AuthState = AuthState

    def __init__(self, options: Optional[Mapping[str, Any]] = None) -> None:
        if not isinstance(options, Mapping) or not options.get("internal"):
            raise OptionError(PRIVATE_CONSTRUCTOR)
        # These imports load a third of our modules. The first call must not spend its timeout on them.
        from target_python_sdk import common_calls  # noqa: PLC0415
        from target_python_sdk.delivery.options import client_settings  # noqa: PLC0415
        from target_python_sdk.prepared_call import PreparedCall  # noqa: PLC0415
        from target_python_sdk.runtime import Runtime  # noqa: PLC0415
        from target_tools.concurrency.event_loops import TurnsByLoop  # noqa: PLC0415
        from target_tools.concurrency.lock_free import PerProcess  # noqa: PLC0415

        self._log = Log(options.get("logger"))
        self._settings: ClientSettings = client_settings(options, self._log)
        self._options: Dict[str, Any] = dict(options)
        self._events = EventProvider(self._settings.events, self._log)
        self._call_class = PreparedCall
        self._common_calls = common_calls if common_calls.has_common_calls(self._settings) else None
        create = partial(Runtime, self._settings, self._events, self._log)
        self._processes = PerProcess(create, Runtime.start, Runtime.discard_inherited)
        self._turns = TurnsByLoop()
        self._is_closed = False
        self._ready: Optional[ReadyEvent] = None

    @overload
    @classmethod
    def create(
        cls: Type[ClientT], options: Dict[ClientOptionName, UncheckedT], **keywords: Unpack[ClientKeywords]
    ) -> ClientT: ...
    @overload
    @classmethod
    def create(cls: Type[ClientT], options: Dict[str, UncheckedT], **keywords: Unpack[ClientKeywords]) -> ClientT: ...
    @overload
    @classmethod
    def create(
        cls: Type[ClientT], options: ClientOptions = NO_OPTIONS, **keywords: Unpack[ClientKeywords]
    ) -> ClientT: ...
    @classmethod
    def create(cls: Type[ClientT], options: Options = None, **keywords: Any) -> ClientT:
        """Return a client. ``client_ready`` is emitted 0.1 s later, but not before an on-device client has an artifact.

        Options are a dict, keyword arguments, or both. An invalid value raises an ``OptionError`` that names the
        option. An unknown option is logged and has no effect.
        """
        client = cls(_constructor_options(options, keywords))
        client._start()
        client._wait_for_artifact()
        client._schedule_ready_event()
        return client

    @overload
    @classmethod
    def create_async(
        cls: Type[ClientT], options: Dict[ClientOptionName, UncheckedT], **keywords: Unpack[ClientKeywords]
    ) -> ClientCreation[ClientT]: ...
    @overload
    @classmethod
    def create_async(
        cls: Type[ClientT], options: Dict[str, UncheckedT], **keywords: Unpack[ClientKeywords]
    ) -> ClientCreation[ClientT]: ...
    @overload
    @classmethod
    def create_async(
        cls: Type[ClientT], options: ClientOptions = NO_OPTIONS, **keywords: Unpack[ClientKeywords]
    ) -> ClientCreation[ClientT]: ...
    @classmethod
    def create_async(cls: Type[ClientT], options: Options = None, **keywords: Any) -> ClientCreation[ClientT]:
        """Return a client without blocking the event loop: ``client = await TargetClient.create_async(options)``.

        ``async with TargetClient.create_async(options) as client`` also closes the client. Invalid options raise an
        ``OptionError`` when the coroutine is awaited. Cancelling the coroutine closes the client.
        """
        from target_python_sdk.async_lifecycle import ClientCreation  # noqa: PLC0415 - only asyncio needs it

        return ClientCreation(lambda: cls(_constructor_options(options, keywords)))

    @staticmethod
    def get_visitor_cookie_name(organization_id: str) -> str:
        """Return the name of the cookie of the Experience Cloud visitor."""
        return VISITOR_COOKIE_PREFIX + organization_id

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

    def stats(self) -> ClientStats:
        """Return the statistics of this client in this process: counters, latencies, errors, circuits, artifact.

        ``ClientStats`` describes each of them.
        """
        from target_python_sdk.stats import client_stats  # noqa: PLC0415 - few applications use it

        return client_stats(self._processes.get())

    def flush(self, timeout: Optional[float] = None) -> bool:
        """Wait for all earlier calls with a callback, all earlier awaited calls, and all background notifications.

        ``timeout`` is in milliseconds; None waits without a limit. Returns False if some calls were not done in
        time; they continue.
        """
        seconds = self._to_seconds("flush", timeout)
        runtime = self._processes.current()
        return runtime is None or runtime.flush(seconds)

    async def flush_async(self, timeout: Optional[float] = None) -> bool:
        """Wait as :meth:`flush` does, without blocking the event loop.

        It also waits for the calls of tasks that were just created. Cancelling it only ends the wait.
        """
        from target_python_sdk.async_lifecycle import flush  # noqa: PLC0415 - only asyncio needs it

        seconds = self._to_seconds("flush_async", timeout)
        await self._wait_for_earlier_calls()
        runtime = self._processes.current()
        return runtime is None or await flush(runtime, seconds)

    def close(self, timeout: Optional[float] = None) -> bool:
        """Accept no more calls, wait for those in progress, and close the connections.

        ``timeout`` is in milliseconds; None means ``shutdown_timeout``. Calls that no worker has begun by then end
        with ``ClientClosed``. Returns False if some calls were not done in time. Later calls raise
        ``ClientClosed``. Closing twice does no harm.
        """
        seconds = self._close_timeout("close", timeout)
        runtime = self._refuse_calls()
        return runtime is None or runtime.close(seconds)

    async def close_async(self, timeout: Optional[float] = None) -> bool:
        """Close the client as :meth:`close` does, without blocking the event loop.

        Cancelling it only ends the wait; a thread closes the client.
        """
        from target_python_sdk.async_lifecycle import close  # noqa: PLC0415 - only asyncio needs it

        return await close(self, self._close_timeout("close_async", timeout))

    def _close_timeout(self, method: str, timeout: Optional[float]) -> Optional[float]:
        return self._settings.shutdown_timeout if timeout is None else self._to_seconds(method, timeout)

    def _to_seconds(self, method: str, timeout: Optional[float]) -> Optional[float]:
        """Convert a time limit from milliseconds to seconds. Log a value that was probably meant in seconds."""
        if timeout is None:
            return None
        seconds = milliseconds(0)("timeout", timeout)
        if 0 < seconds * 1000 < SUSPICIOUS_MILLISECONDS:
            warn_short("timeout of", method, seconds, self._log)
        return seconds

    def _refuse_calls(self) -> Optional[Runtime]:
        """Refuse further calls. Return the runtime to close, if there is one."""
        if self._ready is not None:
            self._ready.cancel()
        self._is_closed = True
        return self._processes.current()

    def __enter__(self: ClientT) -> ClientT:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self: ClientT) -> ClientT:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_async()

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

    def _start(self) -> None:
        """Start downloading the rule artifact. A server-side client downloads nothing."""
        if self._settings.decisioning_method is not DecisioningMethod.SERVER_SIDE:
            self._processes.get()

    def _wait_for_artifact(self) -> None:
        """Wait for the first artifact if the client decides on-device."""
        if self._settings.decisioning_method is DecisioningMethod.ON_DEVICE:
            self._processes.get().wait_for_artifact(self._settings.maximum_wait_ready)

    def _schedule_ready_event(self) -> None:
        """Schedule ``client_ready`` if it has a subscriber."""
        if self._events.has_subscriber(CLIENT_READY):
            from target_python_sdk.ready_event import ReadyEvent  # noqa: PLC0415 - few applications use it

            events = self._events  # a reference to the client would form a cycle
            self._ready = ReadyEvent(lambda: events.emit(CLIENT_READY), self._settings.shutdown_timeout)
            self._on_ready(self._ready.start)

    def _on_ready(self, act: Callable[[], object]) -> None:
        """Call ``act`` as soon as calls can be answered: at once, unless an on-device client has no artifact yet."""
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

    def _decide_common_call(
        self, options: Options, mbox_names: Sequence[str] = ()
    ) -> Optional[TargetDeliveryResponse]:
        """Return the envelope of a call that ``common_calls`` can decide; None for all other calls."""
        common_calls = self._common_calls
        if common_calls is None or options is None or self._is_closed:
            return None
        request = common_calls.common_request(options)
        if request is None:
            return None
        if mbox_names:
            request = with_mboxes(request, parse_mbox_names(mbox_names))
        if self._ready is not None:
            self._ensure_ready_event(self._ready)
        envelope: Optional[TargetDeliveryResponse] = common_calls.decide_common_call(
            request, options.get("session_id"), self._processes.get(), self._replaced_send_notifications()
        )
        return envelope

    def _parse_call(self, options: Options, requires_request: bool = True) -> Call:
        if self._is_closed:
            raise ClientClosed("the client was closed")
        if self._ready is not None:
            self._ensure_ready_event(self._ready)
        return call_options(options, self._settings, self._log, requires_request)


def _constructor_options(options: Options, keywords: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the argument of the constructor for the arguments of ``create``."""
    given = {} if options is None and not keywords else merge_options(options, keywords)
    if not isinstance(given, Mapping):
        text = invalid("", OPTIONS_REQUIRED, got=given, hint="pass a dict or keyword arguments")
        raise OptionError(text, "options", "a dict")
    return {**given, "internal": True}


def _location_hint(settings: ClientSettings, processes: PerProcess[Runtime]) -> Optional[str]:
    runtime = processes.current()
    return settings.target_location_hint if runtime is None else runtime.location_hint
