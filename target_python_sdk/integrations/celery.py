"""A client in each worker process of Celery, and a task that sends notifications through the broker.

::

    target = install(lambda: TargetClient.create({...}))

    @shared_task
    def decide(...):
        target.client.get_offers(...)

    target.send_notifications({"request": request})  # from a web process: it comes back when the broker has them

Which process works is the pool's affair: the children of ``prefork``, else the main process.
Each gets a client when it starts, and closes it when it is told to end; billiard's children
leave by ``os._exit``, where nothing else would wait for calls that are under way.
"""

import contextlib
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Tuple

from celery import shared_task, signals
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.utils.time import get_exponential_backoff_interval

from target_python_sdk.client import TargetClient
from target_python_sdk.delivery.call_options import call_options, check_notifications
from target_python_sdk.delivery.option_parsers import milliseconds, refuse
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.prepare import prepare
from target_python_sdk.types import DeliveryRequest
from target_tools.bodies import parse_json, render_json
from target_tools.clock import Deadline, monotonic
from target_tools.counters import Counter
from target_tools.errors import (
    CallLost,
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    HttpStatusError,
    InvalidResponse,
    OptionError,
    QueueFull,
    TargetError,
)
from target_tools.handover import Handover
from target_tools.logger import Log

if TYPE_CHECKING:
    from celery import Celery
    from celery.result import AsyncResult

    from target_python_sdk.delivery.option_types import CallOptions

#: The name of the ready task.
TASK_NAME = "target.send_notifications"

#: What the task is, until ``task_annotations`` say otherwise: in all it tries for about a quarter of an hour.
_TASK: Dict[str, Any] = {
    "acks_late": True,
    "reject_on_worker_lost": True,
    "ignore_result": True,
    "max_retries": 10,
    "retry_backoff": 1,
    "retry_backoff_max": 600,
    "retry_jitter": True,
    # Celery mentions these; the error line is ours, once.
    "throws": (TargetError,),
}

#: Errors after which the same request may come through later.  So it may after a 429 or a 5xx.
_PASSING = (ConnectionFailed, DeadlineExceeded, InvalidResponse, QueueFull, ClientClosed, CallLost)

#: What a message is made with: what else a client knows (property, environment) is added by the one that sends it.
_NOBODY = ClientSettings("", "")
#: What of the time for closing is for calls under way; the rest is for telling those whose calls are dropped.
_FLUSHING = 0.8
#: Seconds in which a broker that could not be reached is not tried again by ``resend``.
_BROKER_PAUSE = 1.0
#: Seconds between two log lines about what could not be put on the broker.
_COMPLAINT_SECONDS = 10.0
#: ``resend`` runs where others wait: it tries a connection that went stale again, and no more.
_ONE_MORE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class _Installations:
    """The newest installation of each task, as Celery has one task of a name."""

    def __init__(self) -> None:
        #: By the name of the task and the id of its app, None for a shared task.
        self.by_task: Dict[Tuple[str, Optional[int]], CeleryTarget] = {}

    def of(self, task: Any) -> "CeleryTarget":
        """Whose task that is."""
        return self.by_task.get((task.name, id(task.app))) or self.by_task[task.name, None]


INSTALLATIONS = _Installations()


def install(
    client_factory: Callable[[], TargetClient],
    app: "Optional[Celery]" = None,
    *,
    name: str = TASK_NAME,
    flush_timeout: float = 5000,
) -> "CeleryTarget":
    """Give each worker process a client of its own, and make the task that sends notifications.

    ``client_factory`` makes the client; it is called in the process that will use it.  Without an
    ``app`` the task is a shared one, as ``shared_task`` makes it.  ``name`` is the task's, for those
    who install a second factory.  ``flush_timeout``: milliseconds that closing the client may keep
    an ending process.  A later call with the same app and name takes the place of the earlier one.
    """
    if not callable(client_factory):
        refuse("client_factory", "a callable that makes a TargetClient", client_factory)
    seconds = float(milliseconds(0)("flush_timeout", flush_timeout))
    key = (name, None if app is None else id(app))
    target = CeleryTarget(client_factory, app, name, seconds)
    INSTALLATIONS.by_task[key] = target
    uid = "{} of {}: {{}}".format(*key)
    for signal, receiver in (
        (signals.worker_process_init, target._on_process_init),
        (signals.worker_init, target._on_worker_init),
        (signals.worker_process_shutdown, target._on_shutdown),
        (signals.worker_shutdown, target._on_shutdown),
    ):
        signal.disconnect(dispatch_uid=uid.format(signal.name))
        signal.connect(receiver, weak=False, dispatch_uid=uid.format(signal.name))
    return target


class CeleryTarget:
    """What :func:`install` gives: a client for each process, and the way to the broker."""

    def __init__(
        self,
        client_factory: Callable[[], TargetClient],
        app: "Optional[Celery]",
        name: str,
        flush_seconds: float,
    ) -> None:
        self._client_factory = client_factory
        self._app = app  # its id is part of the key, and must stay its own
        self._flush_seconds = flush_seconds
        self._log = Log()
        #: A forked child finds none under its own id.  Its parent's stays referenced and is left alone.
        self._by_pid: Dict[int, TargetClient] = {}
        self._quiet_until = self._silent_until = 0.0
        self._sent, self._resent, self._lost = Counter(), Counter(), Counter()
        #: Of those that were resent: how many an ending process had not begun.
        self._rescued = Counter()
        make = shared_task if app is None else app.task
        #: The task itself, for routing and canvas.
        self.task: Any = make(bind=True, name=name, **_TASK)(send_notifications)

    def __repr__(self) -> str:
        return "<CeleryTarget {}>".format(os.getpid())

    @property
    def client(self) -> TargetClient:
        """This process's client; made now where no signal of Celery's came, as in a web process.

        Raises what the factory raises, each time until it succeeds.
        """
        pid = os.getpid()
        return self._by_pid.get(pid) or self._make(pid)

    def _make(self, pid: int) -> TargetClient:
        """A new client.  It takes no lock that a soft time limit could leave taken: of two threads one is too late."""
        made = self._client_factory()
        kept = self._by_pid.setdefault(pid, made)
        if kept is not made:
            made.close(0)
        return kept

    # To the broker

    def send_notifications(self, options: "CallOptions", **sending: Any) -> "AsyncResult":
        """Put ``options`` on the broker, as ``TargetClient.send_notifications`` takes them, without callbacks.

        Every id and moment is settled here, so that a run that is repeated repeats them, and the
        edge counts it once.  ``sending`` is what ``apply_async`` takes: ``queue``, ``priority``,
        ``countdown`` and so on.  Raises ``OptionError`` before anything is sent, and
        what Celery raises where no broker is to be had.
        """
        sent = self._publish(self._message(options), **sending)
        self._sent.add()
        return sent

    def _message(self, options: Any) -> Dict[str, Any]:
        """What travels: plain JSON, with nothing left open that this process decides."""
        call = call_options(options, _NOBODY, self._log)
        if call.callback is not None or call.err_callback is not None:
            raise OptionError("callback: a message cannot carry one", "callback", "None")
        check_notifications(call.request)
        prepared = prepare(call, _NOBODY, None, self._log)
        check_notifications(prepared.request)  # those that cannot be used were left out
        message = _message_of(prepared.request, prepared.visit.session_id)
        if prepared.cluster is not None:
            message["location_hint"] = prepared.cluster
        if options.get("timeout"):
            message["timeout"] = call.timeout * 1000
        return message

    def _publish(self, message: Dict[str, Any], **sending: Any) -> Any:
        """Celery shows what a task was given in logs and events: of ours it shows how much, never what."""
        return self.task.apply_async((message,), **{"argsrepr": _shown(message), **sending})

    def resend(self, event: Mapping[str, Any]) -> None:
        """Put on the broker what a client could not deliver: a subscriber of ``send_notification_error``.

        Its ids stay the same.  It does not raise: what no broker takes either is counted and logged.
        """
        ended_with_its_client = isinstance(event["error"], ClientClosed)
        if _may_pass(event["error"]) and self._is_taken(event):
            self._resent.add()
            if ended_with_its_client:
                self._rescued.add()
        elif not ended_with_its_client:  # those are counted where the client is closed
            self._lost.add()
            self._complain()

    def _complain(self) -> None:
        now = monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _COMPLAINT_SECONDS
            self._log.error("Notifications were lost; so far %d requests", int(self._lost))

    def _is_taken(self, event: Mapping[str, Any]) -> bool:
        """Whether the broker took it.  One that is down is left alone for a moment: the caller may be a page."""
        if monotonic() < self._quiet_until:
            return False
        try:
            message = _message_of(event["notification"], event["session_id"])
            self._publish(message, retry=True, retry_policy=_ONE_MORE)
        except SoftTimeLimitExceeded:
            raise  # it is the task's
        except Exception as error:  # noqa: BLE001 - brokers raise all kinds, and the SDK's worker has other things to do
            self._quiet_until = monotonic() + _BROKER_PAUSE
            self._log.info("The broker took no notifications (%s)", type(error).__name__)
            return False
        return True

    def stats(self) -> Dict[str, int]:
        """What happened in this process: requests ``sent`` and ``resent`` to the broker, and those ``lost``."""
        return {"sent": int(self._sent), "resent": int(self._resent), "lost": int(self._lost)}

    # From the broker

    def _run(self, task: Any, message: Dict[str, Any]) -> None:
        """One run of the task."""
        error = self._delivered(message)
        if error is None:
            return
        # From here on no other error is being handled: Celery would log that one too, with the answer it quotes.
        tried = task.request.retries + 1
        if not _is_worth_a_retry(error) or (task.max_retries is not None and tried > task.max_retries):
            self._log.error("Notifications were not delivered (%s), tried %d times", _named(error), tried)
            raise error
        try:
            raise task.retry(exc=error, countdown=_pause(task), argsrepr=_shown(message))
        except Reject as rejected:  # the broker takes no second message: may it keep the first
            raise Reject(rejected.reason, requeue=True) from None

    def _delivered(self, message: Dict[str, Any]) -> Optional[Exception]:
        """None, or why not; a client's error without what may belong to a visitor."""
        options = _options_of(message)
        try:
            error = self.client.send_notifications(options).error
        except TargetError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001 - a factory raises what it likes
            return raised
        return _bare(error) if isinstance(error, TargetError) else error

    # Celery's signals

    def _on_process_init(self, **_: Any) -> None:
        """A child of prefork begins; ``solo`` says so of the main process."""
        self._begin()

    def _on_worker_init(self, sender: Any = None, **_: Any) -> None:
        """A worker begins.  Where tasks will run in children, its main process needs no client."""
        if not _is_prefork(getattr(sender, "pool_cls", None)):
            self._begin()

    def _begin(self) -> None:
        """Make the client.  Celery logs what a factory raises; the first task that wants a client hears it as well."""
        _ = self.client

    def _on_shutdown(self, **_: Any) -> None:
        """This process ends: let its client finish, for as long as that may take."""
        client = self._by_pid.pop(os.getpid(), None)
        if client is None:
            return
        seconds, rescued = self._flush_seconds, int(self._rescued)
        closing = Handover()
        with contextlib.suppress(DeadlineExceeded):
            # Elsewhere: callbacks of calls that are dropped may take their time.
            closing.call(lambda: client.close(seconds * _FLUSHING * 1000), Deadline.after(seconds), lambda: None)
        counts = client.stats()
        lost = counts["dropped"] + counts["pending"] + counts["running"] - (int(self._rescued) - rescued)
        if lost > 0:
            self._lost.add(lost)
            self._log.error("%d calls were not over %.0f ms after Celery ended this process", lost, seconds * 1000)


def send_notifications(task: Any, message: Dict[str, Any]) -> None:
    """Tell the edge what was displayed or clicked.

    One function for all installations, as Celery keeps the first task of a name and warns of another.
    """
    INSTALLATIONS.of(task)._run(task, message)


def _message_of(request: DeliveryRequest, session_id: str) -> Dict[str, Any]:
    try:
        wire = parse_json(render_json(request.to_dict(by_alias=True, exclude_none=True)))
    except (TypeError, ValueError, RecursionError):
        expected = "values that JSON can hold"
        raise OptionError("request: {} were expected".format(expected), "request", expected) from None
    return {"request": wire, "session_id": session_id}


def _options_of(message: Mapping[str, Any]) -> Any:
    """The call that a message stands for."""
    return {
        "request": DeliveryRequest.from_dict(message["request"]),
        "session_id": message["session_id"],
        "target_location_hint": message.get("location_hint"),
        "timeout": message.get("timeout"),
    }


def _shown(message: Mapping[str, Any]) -> str:
    return "(<{} notifications>,)".format(len(message["request"].get("notifications") or ()))


def _named(error: BaseException) -> str:
    status = getattr(error, "status", None)
    return type(error).__name__ if not status else "{} {}".format(type(error).__name__, status)


def _bare(error: TargetError) -> TargetError:
    """``error`` as it would leave the process: without the request, and without the body that was answered."""
    restore, arguments = error.__reduce__()
    bare: TargetError = restore(*arguments)
    return bare


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may come through later."""
    if isinstance(error, HttpStatusError):
        return error.status is not None and (error.status == 429 or error.status >= 500)
    return isinstance(error, _PASSING)


def _is_worth_a_retry(error: BaseException) -> bool:
    """Whether to try again: so it is where a soft limit struck, or a factory could not make a client."""
    return _may_pass(error) or not isinstance(error, TargetError)


def _pause(task: Any) -> int:
    """Seconds until the next try, by the names that Celery's own retries go by."""
    seconds: int = get_exponential_backoff_interval(
        factor=int(task.retry_backoff),
        retries=task.request.retries,
        maximum=int(task.retry_backoff_max),
        full_jitter=bool(task.retry_jitter),
    )
    return seconds


def _is_prefork(pool: Any) -> bool:
    """Whether tasks run in children.  Nothing is imported: at this moment applications patch for gevent."""
    if isinstance(pool, str):
        return pool == "processes" or "prefork" in pool
    return any(base.__module__ == "celery.concurrency.prefork" for base in getattr(pool, "__mro__", ()))
