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

import contextvars
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Tuple

from celery import current_app, shared_task, signals
from celery.exceptions import OperationalError, Reject, SoftTimeLimitExceeded
from celery.utils.time import get_exponential_backoff_interval

from target_python_sdk.client import TargetClient
from target_python_sdk.delivery.option_parsers import milliseconds, reject
from target_python_sdk.integrations.celery_client import ProcessClient
from target_python_sdk.integrations.celery_late_install import learn_task, send_again, warn_in_a_child
from target_python_sdk.integrations.celery_message import (
    describe_message,
    error_name,
    is_retryable,
    is_transient,
    message_from_options,
    message_from_request,
    options_from_message,
    redacted_error,
    serializer_of,
)
from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.counter import Counter
from target_tools.concurrency.per_process import PerProcess
from target_tools.errors import ClientClosed, ConnectionFailed, DeadlineExceeded, TargetError
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
    "serializer": "json",  # for canvas; serializer_of says why
    "max_retries": 10,
    "retry_backoff": 1,
    "retry_backoff_max": 600,
    "retry_jitter": True,
    # Celery mentions these; the error line is ours, once.
    "throws": (TargetError,),
}

#: Seconds in which a child of prefork has to be up, where an app says nothing; ``worker_proc_alive_timeout``.
_DEFAULT_ALIVE_TIMEOUT = 4.0
#: Seconds in which a broker that could not be reached is not tried again by ``resend``.
_BROKER_RETRY_DELAY = 1.0
#: Seconds between two log lines about what could not be put on the broker.
_LOG_INTERVAL = 10.0
#: ``resend`` runs where others wait: it tries a connection that went stale again, and no more.
_SINGLE_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class _Installations:
    """The newest installation of each task, as Celery has one task of a name."""

    def __init__(self) -> None:
        #: By the name of the task and the id of its app, None for a shared task.
        self.by_task: Dict[Tuple[str, Optional[int]], CeleryTarget] = {}

    def of(self, task: Any) -> "CeleryTarget":
        """Whose task that is."""
        return self.by_task.get((task.name, id(task.app))) or self.by_task[task.name, None]

    def has(self, task: Any, target: "CeleryTarget") -> bool:
        """Return whether ``target`` is the installation of that task; False without a task."""
        if task is None:
            return False
        return (self.by_task.get((task.name, id(task.app))) or self.by_task.get((task.name, None))) is target


INSTALLATIONS = _Installations()


def install(
    client_factory: Callable[[], TargetClient],
    app: "Optional[Celery]" = None,
    *,
    name: str = TASK_NAME,
    flush_timeout: float = 5000,
    publish_timeout: float = 2000,
) -> "CeleryTarget":
    """Give each worker process a client of its own, and make the task that sends notifications.

    ``client_factory`` makes the client; it is called in the process that will use it, at its start
    in a thread of its own, for which the process waits no longer than Celery lets it.  Without an
    ``app`` the task is a shared one, as ``shared_task`` makes it.  ``name`` is the task's, for those
    who install a second factory.  ``flush_timeout``: milliseconds that closing the client may keep
    an ending process; ``publish_timeout``: milliseconds that the broker has to take a message.
    A later call with the same app and name takes the place of the earlier one.  Call this before
    the worker starts: see :mod:`target_python_sdk.integrations.celery_late_install`.
    """
    if not callable(client_factory):
        reject("client_factory", "a callable that makes a TargetClient", client_factory)
    flushing = float(milliseconds(0)("flush_timeout", flush_timeout))
    publishing = float(milliseconds(1)("publish_timeout", publish_timeout))
    app = getattr(app, "_get_current_object", lambda: app)()  # a proxy has an id of its own
    key = (name, None if app is None else id(app))
    target = CeleryTarget(client_factory, app, name, flushing, publishing)
    if key not in INSTALLATIONS.by_task:
        warn_in_a_child(name, target._log)
    INSTALLATIONS.by_task[key] = target
    uid = "{} of {}: {{}}".format(*key)
    for signal, receiver in (
        (signals.worker_process_init, target._on_process_init),
        (signals.worker_init, target._on_worker_init),
        (signals.worker_process_shutdown, target._on_shutdown),
        (signals.worker_shutdown, target._on_shutdown),
        (signals.task_unknown, target._on_task_unknown),
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
        publish_seconds: float,
    ) -> None:
        self._app = app  # its id is part of the key, and must stay its own
        self._flush_seconds = flush_seconds
        self._publish_seconds = publish_seconds
        self._log = Log()
        self._processes = PerProcess[ProcessClient](lambda _: ProcessClient(client_factory, self._log))
        #: When ``resend`` may try again after the broker failed; 0 while it works.
        self._quiet_until = 0.0
        self._silent_until = 0.0
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
        return self._processes.get().get()

    # To the broker

    def send_notifications(self, options: "CallOptions", **sending: Any) -> "AsyncResult":
        """Put ``options`` on the broker, as ``TargetClient.send_notifications`` takes them, without callbacks.

        Every id and moment is settled here, so that a run that is repeated repeats them, and the
        edge counts it once.  ``sending`` is what ``apply_async`` takes: ``queue``, ``priority``,
        ``countdown`` and so on.  Raises ``OptionError`` before anything is sent, and Celery's
        ``OperationalError`` where no broker is to be had, or none that answers in time.
        """
        sent = self._publish(message_from_options(options, self._log), **sending)
        self._sent.add()
        return sent

    def _publish(self, message: Dict[str, Any], **sending: Any) -> Any:
        """Celery shows what a task was given in logs and events: of ours it shows how much, never what.

        A thread of ours waits for the broker, as some clients of brokers wait for ever.
        """
        app = self.task.app
        serializer = serializer_of(app.conf)
        if sending.get("serializer", serializer) != serializer:
            reject("serializer", repr(serializer), sending["serializer"])
        ours = {
            "argsrepr": describe_message(message),
            "serializer": serializer,
            **_parent_task_ids(app.current_worker_task),
        }
        sending = {**ours, **sending}
        if app.conf.task_always_eager:  # it runs here, for as long as it takes
            return self.task.apply_async((message,), **sending)
        run = contextvars.copy_context().run
        try:
            return self._processes.get().publishing.call(
                lambda: run(lambda: self.task.apply_async((message,), **sending)),
                Deadline.after(self._publish_seconds),
                lambda: None,
            )
        except (DeadlineExceeded, ConnectionFailed):
            text = "the broker did not take the message within {:.0f} ms"
            raise OperationalError(text.format(self._publish_seconds * 1000)) from None

    def resend(self, event: Mapping[str, Any]) -> None:
        """Put on the broker what a client could not deliver: a subscriber of ``send_notification_error``.

        Its ids stay the same.  What no broker takes either is counted and logged, and nothing is
        raised but a soft time limit, which is the task's.
        """
        ended_with_its_client = isinstance(event["error"], ClientClosed)
        if is_transient(event["error"]) and self._try_publish(event):
            self._resent.add()
            if ended_with_its_client:
                self._rescued.add()
        elif not ended_with_its_client:  # those are counted where the client is closed
            self._lost.add()
            self._log_lost()

    def _log_lost(self) -> None:
        now = monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _LOG_INTERVAL
            self._log.error("Notifications were lost; so far %d requests", int(self._lost))

    def _try_publish(self, event: Mapping[str, Any]) -> bool:
        """Whether the broker took it.  One that failed is left alone for a moment: the caller may be a page."""
        now = monotonic()
        if now < self._quiet_until:
            return False
        if self._quiet_until:  # one sees whether it works again, and nobody else waits for that
            self._quiet_until = now + self._publish_seconds + _BROKER_RETRY_DELAY
        try:
            message = message_from_request(event["notification"], event["session_id"])
            self._publish(message, retry=True, retry_policy=_SINGLE_RETRY)
        except SoftTimeLimitExceeded:
            raise  # it is the task's
        except Exception as error:  # noqa: BLE001 - brokers raise all kinds, and the SDK's worker has other things to do
            self._quiet_until = monotonic() + _BROKER_RETRY_DELAY
            self._log.info("The broker took no notifications (%s)", type(error).__name__)
            return False
        self._quiet_until = 0.0
        return True

    def stats(self) -> Dict[str, int]:
        """What happened in this process: requests ``sent`` and ``resent`` to the broker, and those ``lost``."""
        return {"sent": int(self._sent), "resent": int(self._resent), "lost": int(self._lost)}

    # From the broker

    def _run(self, task: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
        """One run of the task."""
        error = self._deliver(args, kwargs)
        if error is None:
            return
        # From here on no other error is being handled: Celery would log that one too, with the answer it quotes.
        tried = task.request.retries + 1
        if not _should_retry(task, error):
            self._log.error("Notifications were not delivered (%s), tried %d times", error_name(error), tried)
            raise error
        try:
            # Only what options_from_message took is worth a retry, so there is one message.
            message = next(iter((*args, *kwargs.values())))
            serializer = serializer_of(task.app.conf)
            raise task.retry(
                exc=error, countdown=_retry_delay(task), argsrepr=describe_message(message), serializer=serializer
            )
        except Reject as rejected:  # the broker takes no second message: may it keep the first
            raise Reject(rejected.reason, requeue=True) from None

    def _deliver(self, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Optional[Exception]:
        """None, or why not; a client's error without what may belong to a visitor."""
        try:
            options = options_from_message(args, kwargs, self._log)
            error = self.client.send_notifications(options).error
        except TargetError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001 - a factory raises what it likes
            return raised
        return redacted_error(error) if isinstance(error, TargetError) else error

    # Celery's signals

    def _on_process_init(self, **_: Any) -> None:
        """A child of prefork begins; ``solo`` says so of the main process."""
        self._start_client()

    def _on_worker_init(self, sender: Any = None, **_: Any) -> None:
        """A worker begins.  Where tasks will run in children, its main process needs no client."""
        if not _is_prefork(getattr(sender, "pool_cls", None)):
            self._start_client()

    def _on_task_unknown(self, sender: Any = None, message: Any = None, name: str = "", **_: Any) -> None:
        """Deliver a message that this worker rejected, because ``install`` was called after the worker's start."""
        if not INSTALLATIONS.has(sender.app.tasks.get(name), self):
            return
        try:
            if learn_task(sender, name, _is_prefork(type(sender.pool)), self._log):
                send_again(message, self._publish)
                return
        except Exception as error:  # noqa: BLE001 - brokers raise all kinds, and the worker must go on
            self._log.error("A message for %s was lost (%s)", name, type(error).__name__)
        self._lost.add()

    def _start_client(self) -> None:
        """Have the client made.  What a factory raises Celery logs, and the first task that wants a client hears it."""
        app: Any = self._app or current_app
        seconds = app.conf.worker_proc_alive_timeout or _DEFAULT_ALIVE_TIMEOUT
        self._processes.get().begin(seconds / 2)  # a child has more to do until it is up

    def _on_shutdown(self, **_: Any) -> None:
        """This process ends: let its client finish, for as long as that may take."""
        here = self._processes.current()
        if here is None:
            return
        rescued = int(self._rescued)
        counts = here.close(self._flush_seconds)
        if counts is not None:
            self._add_lost(counts, int(self._rescued) - rescued)
        self._processes.pop()  # not before: callbacks may have asked for the client

    def _add_lost(self, counts: Dict[str, int], rescued: int) -> None:
        """Add what was lost with the client."""
        lost = counts["dropped"] + counts["pending"] + counts["running"] - rescued
        if lost > 0:
            self._lost.add(lost)
            milliseconds_given = self._flush_seconds * 1000
            self._log.error("%d calls were not over %.0f ms after Celery ended this process", lost, milliseconds_given)


def send_notifications(task: Any, *args: Any, **kwargs: Any) -> None:
    """Tell the edge what was displayed or clicked.

    Takes any arguments: a message with others than one message of ours has to end in an error of ours, too.
    One function for all installations, as Celery keeps the first task of a name and warns of another.
    """
    INSTALLATIONS.of(task)._run(task, args, kwargs)


def _parent_task_ids(parent: Any) -> Dict[str, str]:
    """Which task sends it: Celery would ask the thread, and that is ours."""
    if parent is None:
        return {}
    return {"root_id": parent.request.root_id or parent.request.id, "parent_id": parent.request.id}


def _should_retry(task: Any, error: BaseException) -> bool:
    """Whether to run the task again, later.  Where its caller waits for it there is no later."""
    if task.request.is_eager or task.request.called_directly or not is_retryable(error):
        return False
    return task.max_retries is None or bool(task.request.retries < task.max_retries)


def _retry_delay(task: Any) -> int:
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
