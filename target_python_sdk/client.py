"""``TargetClient``: options in, decisions out."""

from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    TypeVar,
    Union,
    overload,
)

from target_python_sdk.delivery.call_options import Call, call_options, check_notifications, check_offers, with_mboxes
from target_python_sdk.delivery.conversion import plain
from target_python_sdk.delivery.messages import PRIVATE_CONSTRUCTOR
from target_python_sdk.delivery.option_parsers import check_picklable, milliseconds
from target_python_sdk.delivery.options import ClientSettings, client_settings
from target_python_sdk.events import CLIENT_READY
from target_python_sdk.protocol import LOCATION_HINT_COOKIE, TARGET_COOKIE, VISITOR_COOKIE_PREFIX
from target_python_sdk.ready_event import ReadyEvent
from target_python_sdk.types import DeliveryRequest, TargetDeliveryResponse
from target_tools.attributes_provider import AttributesProvider
from target_tools.concurrency.event_loops import running_loop
from target_tools.enums import DecisioningMethod
from target_tools.error_text import OMITTED, invalid, shown
from target_tools.errors import OptionError
from target_tools.event_provider import EventProvider
from target_tools.logger import Log

if TYPE_CHECKING:  # calls take plain dicts; reading their types takes a twentieth of our import
    from target_python_sdk.delivery.option_types import (
        AttributesCallbackOptions,
        AttributesOptions,
        CallbackOptions,
        CallOptions,
        ClientOptions,
    )
    from target_python_sdk.inside import ClientConfig, DecisioningEngine
    from target_tools.concurrency.async_result import AsyncResult

ResultT = TypeVar("ResultT")


class AuthState:
    """How a customer id is known, in the numbers of the Experience Cloud visitor."""

    UNKNOWN = 0
    AUTHENTICATED = 1
    LOGGED_OUT = 2


class TargetClient:
    """Decisions of Adobe Target, for any number of visitors and threads.

    Made by :meth:`create`, once per process or application; a call takes no lock, so one
    client serves them all.  Unless it decides by itself it opens no connection before the
    first call.  It survives ``os.fork`` and is best closed, by :meth:`close` or ``with``,
    when it is not needed any more.
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
        # What answers calls is a third of our modules, and who only names this class does without: it is
        # read with the first client.  Not with the first call, which would wait for it in its own time.
        from target_python_sdk.calls import Calls  # noqa: PLC0415

        self._calls = Calls(self._settings, self._events, self._log)
        self._ready: Optional[ReadyEvent] = None

    @staticmethod
    def create(options: Optional["ClientOptions"] = None) -> "TargetClient":
        """A client that is ready for calls; ``client_ready`` is told 0.1 s later.

        Raises :class:`~target_python_sdk.errors.OptionError`, which names the option, for
        what cannot be used.  An unknown option is named in the log and has no effect.
        """
        given: Mapping[str, Any] = options if isinstance(options, Mapping) else {}
        client = TargetClient({**given, "internal": True})
        client._start()
        return client

    @staticmethod
    def get_visitor_cookie_name(organization_id: str) -> str:
        """The name of the cookie that carries the Experience Cloud visitor of an organization."""
        return VISITOR_COOKIE_PREFIX + organization_id

    @overload
    def get_offers(self, options: "CallbackOptions") -> "AsyncResult[TargetDeliveryResponse]": ...

    @overload
    def get_offers(self, options: "CallOptions") -> TargetDeliveryResponse: ...

    def get_offers(self, options: "Union[CallbackOptions, CallOptions]") -> Any:
        """The offers that were decided on for ``options["request"]``, with the cookies to set.

        The edge decides, or this process, as ``decisioning_method`` says.  Blocks for as long
        as ``timeout`` at most; with a ``callback`` it comes back at once with an
        :class:`~target_tools.concurrency.async_result.AsyncResult`.  Raises ``OptionError``
        before anything is sent, and a :class:`~target_python_sdk.errors.DeliveryError` where
        no usable answer came.
        """
        return self._answer(self._offers_call(options), _as_it_is)

    async def get_offers_async(self, options: "CallOptions") -> TargetDeliveryResponse:
        """The same, awaited: a worker asks, and the event loop goes on meanwhile."""
        return await self._await(self._offers_call(options), _as_it_is)

    @overload
    def send_notifications(self, options: "CallbackOptions") -> "AsyncResult[TargetDeliveryResponse]": ...

    @overload
    def send_notifications(self, options: "CallOptions") -> TargetDeliveryResponse: ...

    def send_notifications(self, options: "Union[CallbackOptions, CallOptions]") -> Any:
        """Tell the edge what was displayed or clicked; the answer names the notifications it took.

        Always goes to the edge.  Waits, returns and raises as :meth:`get_offers` does.
        """
        return self._answer(self._notifications_call(options), _as_it_is)

    async def send_notifications_async(self, options: "CallOptions") -> TargetDeliveryResponse:
        """The same, awaited."""
        return await self._await(self._notifications_call(options), _as_it_is)

    @overload
    def get_attributes(
        self, mbox_names: Sequence[str], options: "AttributesCallbackOptions"
    ) -> "AsyncResult[AttributesProvider]": ...

    @overload
    def get_attributes(
        self, mbox_names: Sequence[str], options: "Optional[AttributesOptions]" = None
    ) -> AttributesProvider: ...

    def get_attributes(
        self,
        mbox_names: Sequence[str],
        options: "Union[AttributesCallbackOptions, AttributesOptions, None]" = None,
    ) -> Any:
        """The JSON offers of ``mbox_names`` as plain values.

        Names that the request does not ask for yet are added to ``execute``, in a copy.
        Waits, returns and raises as :meth:`get_offers` does.
        """
        return self._answer(self._attributes_call(mbox_names, options), AttributesProvider)

    async def get_attributes_async(
        self, mbox_names: Sequence[str], options: "Optional[AttributesOptions]" = None
    ) -> AttributesProvider:
        """The same, awaited."""
        return await self._await(self._attributes_call(mbox_names, options), AttributesProvider)

    @property
    def config(self) -> "ClientConfig":
        """The options, read-only, with the cluster that the client knows by now."""
        from target_python_sdk.inside import ClientConfig  # noqa: PLC0415 - few applications ask

        return ClientConfig(self._options, self._calls.location_hint)

    @property
    def decisioning_engine(self) -> "Optional[DecisioningEngine]":
        """Whether there is an artifact, and which; None where the edge decides."""
        from target_python_sdk.inside import DecisioningEngine  # noqa: PLC0415 - as above

        if self._settings.decisioning_method is DecisioningMethod.SERVER_SIDE:
            return None
        return DecisioningEngine(self._calls.artifacts)

    @property
    def event_emitter(self) -> Callable[..., None]:
        """Tell the subscribers of this client of an event: its name and what belongs to it."""
        return self._events.emit

    @property
    def logger(self) -> Any:
        """The logger that the client was given, or ``adobe.target``."""
        return self._log.logger

    def initialize(self) -> None:
        """Do nothing: :meth:`create` has done it.  1.1.0 had a method of this name."""

    def stats(self) -> Dict[str, int]:
        """What happened in this process so far, and what is under way.

        ``calls``, ``failures``, ``retries``, ``invalid_hints``; ``pending`` and ``running``
        calls with a callback, the ``threads`` that serve them, and how many such calls were
        ``refused`` by a full queue or ``dropped`` by ``close``.
        """
        return self._calls.stats()

    def flush(self, timeout: Optional[float] = None) -> bool:
        """Wait until every call with a callback that was made so far is over.

        ``timeout`` is in milliseconds, as everywhere; None waits as long as it takes.
        False: some were not over in time; they go on.
        """
        return self._calls.flush(_seconds(timeout))

    def close(self, timeout: Optional[float] = None) -> bool:
        """Take no more calls, wait for those under way, and close the connections.

        ``timeout`` is in milliseconds; None is ``shutdown_timeout``.  Calls that no worker
        has begun by then end with ``ClientClosed``.  False: some were not over in time.
        Further calls raise ``ClientClosed``; closing twice does no harm.
        """
        if self._ready is not None:
            self._ready.cancel()
        return self._calls.close(self._settings.shutdown_timeout if timeout is None else _seconds(timeout))

    def __enter__(self) -> "TargetClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<TargetClient {}{}>".format(self._settings.client, " (closed)" if self._calls.closed else "")

    def __getstate__(self) -> Dict[str, Any]:
        """The options: a client takes no connection along, and does not tell ``client_ready`` again."""
        for name, value in self._options.items():
            check_picklable(name, value)
        return self._options

    def __setstate__(self, options: Dict[str, Any]) -> None:
        TargetClient.__init__(self, options)

    def __copy__(self) -> "TargetClient":
        return type(self)(self._options)

    def __deepcopy__(self, memo: Dict[int, Any]) -> "TargetClient":
        # Nobody writes to options, so a copy of the client can share them.
        return type(self)(self._options)

    def _start(self) -> None:
        """Get ready; a client that decides on-device waits for its artifact, and is ready when it is there."""
        self._calls.start()
        if self._events.has_subscriber(CLIENT_READY):
            events = self._events  # and not the client, which would hold itself
            self._ready = ReadyEvent(lambda: events.emit(CLIENT_READY), self._settings.shutdown_timeout)
            self._calls.when_ready(self._ready.start)

    def _ensure_ready_event(self, event: ReadyEvent) -> None:
        """Emit ``client_ready`` in this process if a fork, or a lack of threads, has prevented it."""
        if event.was_inherited():
            self._ready = event.for_this_process()
            self._calls.when_ready(self._ready.start)
        else:
            event.emit_if_overdue()

    def _offers_call(self, options: Any) -> Call:
        call = self._call(options)
        check_offers(call.request)
        return call

    def _notifications_call(self, options: Any) -> Call:
        call = self._call(options)._replace(decisioning_method=DecisioningMethod.SERVER_SIDE)
        check_notifications(call.request)
        return call

    def _attributes_call(self, mbox_names: Any, options: Any) -> Call:
        names = _names(mbox_names)
        if options is not None and not isinstance(options, Mapping):
            text = invalid("Invalid argument 'options'", expected="a dict", got=options)
            raise OptionError(text, "options", "a dict")
        given: Dict[str, Any] = dict(options or {})
        if given.get("request") is None and not isinstance(given.get("events"), DeliveryRequest):
            given["request"] = DeliveryRequest()
        call = self._call(given)
        call = call._replace(request=with_mboxes(call.request, names))
        check_offers(call.request)
        return call

    def _call(self, options: Any) -> Call:
        self._calls.check_open()
        if self._ready is not None:
            self._ensure_ready_event(self._ready)
        return call_options(options, self._settings, self._log)

    def _answer(self, call: Call, shape: Callable[[TargetDeliveryResponse], ResultT]) -> Any:
        """The answer, waited for; or, with a callback, the result that will hold it."""
        one = self._calls.begin(call, shape)
        return one.answer() if call.callback is None else one.hand_over(call.callback, call.err_callback)

    async def _await(self, call: Call, shape: Callable[[TargetDeliveryResponse], ResultT]) -> ResultT:
        running_loop()  # before anything is sent
        return await self._calls.begin(call, shape).hand_over(call.callback, call.err_callback)


def _as_it_is(envelope: TargetDeliveryResponse) -> TargetDeliveryResponse:
    return envelope


def _seconds(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else float(milliseconds(0)("timeout", timeout))


def _names(mbox_names: Any) -> List[str]:
    expected, problem = "a list of mbox names", ""
    if isinstance(mbox_names, Iterable) and not isinstance(mbox_names, (str, bytes, Mapping)):
        names = [plain(name) for name in mbox_names]
        for position, name in enumerate(names):
            if not isinstance(name, str) or not name:
                problem = f"item {position} is {shown(name) if name != '' else 'an empty string'}"
                break
        else:
            return names
    text = invalid("Invalid argument 'mbox_names'", problem, expected=expected, got=OMITTED if problem else mbox_names)
    raise OptionError(text, "mbox_names", expected)
