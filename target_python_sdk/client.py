"""``TargetClient``: options in, decisions out."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from target_python_sdk.delivery.messages import PRIVATE_CONSTRUCTOR
from target_python_sdk.delivery.option_types import AttributesOptions, CallOptions, ClientOptions
from target_python_sdk.delivery.options import (
    Call,
    ClientSettings,
    call_options,
    check_notifications,
    check_offers,
    client_settings,
)
from target_python_sdk.delivery.pipeline import Answer, deliver
from target_python_sdk.delivery.prepare import prepare
from target_python_sdk.delivery.requested import with_mboxes
from target_python_sdk.ready import CLIENT_READY, ReadyNotice
from target_python_sdk.runtime import PerProcess
from target_python_sdk.types import DeliveryRequest, TargetDeliveryResponse
from target_tools.attributes_provider import AttributesProvider
from target_tools.clock import Deadline
from target_tools.constants import LOCATION_HINT_COOKIE, TARGET_COOKIE, VISITOR_COOKIE_PREFIX
from target_tools.errors import ClientClosed, DeliveryError, OptionError
from target_tools.event_provider import EventProvider
from target_tools.flow import run
from target_tools.logger import Log


class AuthState:
    """How a customer id is known, in the numbers of the Experience Cloud visitor."""

    UNKNOWN = 0
    AUTHENTICATED = 1
    LOGGED_OUT = 2


class TargetClient:
    """Decisions of Adobe Target, for any number of visitors and threads.

    Made by :meth:`create`, once per process or application; a call takes no lock, so one
    client serves them all.  It opens no connection before the first call, survives
    ``os.fork`` and is best closed, by :meth:`close` or ``with``, when it is not needed
    any more.
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
        self._processes = PerProcess(self._settings, self._log)
        self._ready: Optional[ReadyNotice] = None
        self._closed = False

    @staticmethod
    def create(options: Optional[ClientOptions] = None) -> "TargetClient":
        """A client that is ready for calls; ``client_ready`` is told 0.1 s later.

        Raises :class:`~target_python_sdk.errors.OptionError`, which names the option, for
        what cannot be used.  An unknown option is named in the log and has no effect.
        """
        given: Mapping[str, Any] = options if isinstance(options, Mapping) else {}
        client = TargetClient({**given, "internal": True})
        client._tell_ready()
        return client

    @staticmethod
    def get_visitor_cookie_name(organization_id: str) -> str:
        """The name of the cookie that carries the Experience Cloud visitor of an organization."""
        return VISITOR_COOKIE_PREFIX + organization_id

    def get_offers(self, options: CallOptions) -> TargetDeliveryResponse:
        """The offers the edge decided on for ``options["request"]``, with the cookies to set.

        Blocks for as long as ``timeout`` at most.  Raises ``OptionError`` before anything
        is sent, and a :class:`~target_python_sdk.errors.DeliveryError` where no usable
        answer came.
        """
        call = self._call(options)
        check_offers(call.request)
        return self._answer(call)

    def send_notifications(self, options: CallOptions) -> TargetDeliveryResponse:
        """Tell the edge what was displayed or clicked; the answer names the notifications it took.

        Always goes to the edge.  Raises what :meth:`get_offers` raises.
        """
        call = self._call(options)
        check_notifications(call.request)
        return self._answer(call)

    def get_attributes(
        self, mbox_names: Sequence[str], options: Optional[AttributesOptions] = None
    ) -> AttributesProvider:
        """The JSON offers of ``mbox_names`` as plain values.

        Names that the request does not ask for yet are added to ``execute``, in a copy.
        Raises what :meth:`get_offers` raises.
        """
        names = _names(mbox_names)
        given: Dict[str, Any] = dict(options or {})
        if given.get("request") is None and not isinstance(given.get("events"), DeliveryRequest):
            given["request"] = DeliveryRequest()
        call = self._call(given)
        call = call._replace(request=with_mboxes(call.request, names))
        check_offers(call.request)
        return AttributesProvider(self._answer(call))

    def stats(self) -> Dict[str, int]:
        """What happened in this process so far: calls, failures, retries, invalid hints."""
        return self._processes.get().counters.as_dict()

    def close(self) -> None:
        """Close the connections; further calls raise ``ClientClosed``.  Closing twice does no harm."""
        self._closed = True
        if self._ready is not None:
            self._ready.cancel()
        self._processes.close()

    def __enter__(self) -> "TargetClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<TargetClient {}{}>".format(self._settings.client, " (closed)" if self._closed else "")

    def __getstate__(self) -> Dict[str, Any]:
        """The options: a client takes no connection along, and does not tell ``client_ready`` again."""
        return self._options

    def __setstate__(self, options: Dict[str, Any]) -> None:
        TargetClient.__init__(self, options)

    def _tell_ready(self) -> None:
        if self._events.has_subscriber(CLIENT_READY):
            self._ready = ReadyNotice(lambda: self._events.emit(CLIENT_READY), self._settings.shutdown_timeout)
            self._ready.start()

    def _call(self, options: Union[CallOptions, Mapping[str, Any], None]) -> Call:
        if self._closed:
            raise ClientClosed("the client was closed")
        return call_options(options, self._settings, self._log)

    def _answer(self, call: Call) -> TargetDeliveryResponse:
        """Run the call in this thread."""
        deadline = Deadline.after(call.timeout)
        runtime = self._processes.get()
        counters = runtime.counters
        counters.calls += 1
        prepared = prepare(call, self._settings, runtime.location_hint, self._log)
        counters.invalid_hints += prepared.refused_hints
        try:
            answer: Answer = run(deliver(prepared, self._settings), runtime.send, deadline)
        except DeliveryError as error:
            counters.failures += 1
            counters.retries += error.attempts - 1
            raise
        counters.retries += answer.attempts - 1
        if answer.edge_cluster is not None:
            runtime.location_hint = answer.edge_cluster
        return answer.envelope


def _names(mbox_names: Any) -> List[str]:
    expected = "a list of mbox names"
    if isinstance(mbox_names, str) or not isinstance(mbox_names, Sequence):
        raise OptionError("mbox_names: {} was expected".format(expected), "mbox_names", expected)
    names = list(mbox_names)
    if not all(isinstance(name, str) and name for name in names):
        raise OptionError("mbox_names: {} was expected".format(expected), "mbox_names", expected)
    return names
