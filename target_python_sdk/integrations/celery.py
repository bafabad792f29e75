"""A client in each worker process of Celery, and a task that sends notifications through the broker.

::

    target = install(lambda: TargetClient.create({...}))

    @shared_task
    def decide(...):
        target.client.get_offers(...)

    target.send_notifications({"request": request})  # from a web process: returns when the broker has the message

Tasks run in child processes with the ``prefork`` pool, and in the main process with other pools. Each process that
runs tasks creates a client at its start and closes it at its end. Child processes end by ``os._exit``, which runs no
exit handlers, so this module waits for outstanding calls when Celery sends its shutdown signal.
"""

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Protocol, Tuple, Union

from celery import current_app, shared_task, signals
from celery.exceptions import OperationalError, Reject, SoftTimeLimitExceeded
from celery.utils.time import get_exponential_backoff_interval

from target_python_sdk.client import TargetClient
from target_python_sdk.client_calls import merge_options
from target_python_sdk.delivery.option_parsers import milliseconds, reject
from target_python_sdk.integrations.celery_client import ProcessClient
from target_python_sdk.integrations.celery_keywords import split_keywords
from target_python_sdk.integrations.celery_late_install import TOO_LATE, send_again, warn_in_a_child
from target_python_sdk.integrations.celery_message import (
    describe_message,
    error_name,
    is_transient,
    message_from_options,
    message_from_request,
    options_from_message,
    redacted_error,
    serializer_of,
)
from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.lock_free import Counter, PerProcess
from target_tools.errors import ClientClosed, ConnectionFailed, DeadlineExceeded, TargetError
from target_tools.logger import Log
from target_tools.typing_compat import Json

if TYPE_CHECKING:
    from celery import Celery
    from celery.result import AsyncResult
    from celery.worker import WorkController
    from kombu.message import Message

    from target_python_sdk.delivery.option_types import CallOptions

#: The default name of the task.
TASK_NAME = "target.send_notifications"

#: The options of the task; ``task_annotations`` override them. The pauses before the ten retries add up to at most 17
#: minutes.
_TASK: Dict[str, Any] = {
    "acks_late": True,
    "reject_on_worker_lost": True,
    "ignore_result": True,
    "serializer": "json",  # for canvas; see serializer_of
    "max_retries": 10,
    "retry_backoff": 1,
    "retry_backoff_max": 600,
    "retry_jitter": True,
    # Celery logs these errors in one line, without a traceback; this module logs the cause.
    "throws": (TargetError,),
}

#: Seconds within which a child process must have started; Celery's default for ``worker_proc_alive_timeout``.
_DEFAULT_ALIVE_TIMEOUT = 4.0
#: Seconds for which ``resend`` does not use a broker that has failed.
_BROKER_RETRY_DELAY = 1.0
#: Minimum number of seconds between two log lines about lost notifications.
_LOG_INTERVAL = 10.0
#: ``resend`` retries only once, in case a connection was stale. It must be quick, because it runs in a thread that
#: other calls need.
_SINGLE_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class _Task(Protocol):
    """The attributes of a Celery task that this module uses."""

    name: str
    app: Any
    request: Any
    max_retries: Optional[int]
    retry: Callable[..., BaseException]
    retry_backoff: int
    retry_backoff_max: int
    retry_jitter: bool


class _Installations:
    """The latest installation of each task. Celery keeps one task per name."""

    def __init__(self) -> None:
        #: The keys are the task's name and the ``id()`` of its application, or None for a shared task.
        self.by_task: Dict[Tuple[str, Optional[int]], CeleryTarget] = {}

    def find(self, task: "_Task") -> "Optional[CeleryTarget]":
        """Return the installation of ``task``."""
        return self.by_task.get((task.name, id(task.app))) or self.by_task.get((task.name, None))


#: The latest installation of each task.
INSTALLATIONS = _Installations()


def install(
    client_factory: Callable[[], TargetClient],
    app: "Optional[Celery]" = None,
    *,
    name: str = TASK_NAME,
    flush_timeout: float = 5000,
    publish_timeout: float = 2000,
) -> "CeleryTarget":
    """Create a client in each worker process, and define the task that sends notifications.

    A later call with the same ``app`` and ``name`` replaces the earlier one. Call this before the worker starts: see
    :mod:`target_python_sdk.integrations.celery_late_install`.

    :param client_factory: Creates the client. It runs in the process that uses the client, in a separate thread.
        The process waits for it when it starts, but at most half of Celery's ``worker_proc_alive_timeout``.
    :param app: The application of the task. Without it, the task is shared by all applications.
    :param name: The name of the task, for the installation of a second client.
    :param flush_timeout: Milliseconds for which closing the client may delay the end of a process.
    :param publish_timeout: Milliseconds within which the broker must accept a message.
    """
    if not callable(client_factory):
        reject("client_factory", "a callable that returns a TargetClient", client_factory)
    flushing = milliseconds(0)("flush_timeout", flush_timeout)
    publishing = milliseconds(1)("publish_timeout", publish_timeout)
    app = getattr(app, "_get_current_object", lambda: app)()  # a proxy has a different id
    key = (name, None if app is None else id(app))
    target = CeleryTarget(client_factory, app, name, flushing, publishing)
    if key not in INSTALLATIONS.by_task:
        warn_in_a_child(name, target._log)
    INSTALLATIONS.by_task[key] = target
    for signal, receiver in (
        (signals.worker_process_init, target._start_client),
        (signals.worker_init, target._on_worker_init),
        (signals.worker_process_shutdown, target._on_shutdown),
        (signals.worker_shutdown, target._on_shutdown),
        (signals.task_unknown, target._on_task_unknown),
    ):
        uid = f"{key}: {signal.name}"
        signal.disconnect(dispatch_uid=uid)
        signal.connect(receiver, weak=False, dispatch_uid=uid)
    return target


class CeleryTarget:
    """Gives access to the client of each process, and sends notifications through the broker.

    :func:`install` returns it.
    """

    def __init__(
        self,
        client_factory: Callable[[], TargetClient],
        app: "Optional[Celery]",
        name: str,
        flush_seconds: float,
        publish_seconds: float,
    ) -> None:
        self._app = app  # keeps the application alive: its id is part of the key
        self._flush_seconds = flush_seconds
        self._publish_seconds = publish_seconds
        self._log = Log()
        self._processes = PerProcess[ProcessClient](lambda _: ProcessClient(client_factory, self._log))
        #: The time from which ``resend`` may try again after the broker failed; 0 while it works.
        self._broker_paused_until = 0.0
        self._log_paused_until = 0.0
        self._sent, self._resent, self._lost = Counter(), Counter(), Counter()
        #: The resent requests that had not ended when the client was closed.
        self._rescued = Counter()
        make = shared_task if app is None else app.task
        #: The task itself, for routing and canvas.
        self.task: Any = make(bind=True, name=name, **_TASK)(send_notifications)

    def __repr__(self) -> str:
        return f"<CeleryTarget {os.getpid()}>"

    @property
    def client(self) -> TargetClient:
        """Return the client of this process. Outside of Celery's workers, the first access creates it.

        Raises any error of the factory; the next access calls the factory again.
        """
        return self._processes.get().get()

    def send_notifications(self, options: "Optional[CallOptions]" = None, **keywords: Any) -> "AsyncResult":
        """Publish a message with the options of ``TargetClient.send_notifications``, except callbacks.

        All ids and times are determined here, so that the edge counts a repeated task once. Options can be a dict,
        keyword arguments, or both. The other keyword arguments are those of ``apply_async``, such as ``queue``,
        ``priority`` and ``countdown``. Raises ``OptionError`` for invalid options and unknown keyword arguments, before
        anything is sent, and Celery's ``OperationalError`` if no broker accepts the message in time.
        """
        given, apply_options = split_keywords(keywords, self.task)
        message = message_from_options(merge_options(options, given), self._log)
        sent = self._publish(message, **apply_options)
        self._sent.add()
        return sent

    def _publish(self, message: Dict[str, Any], **apply_options: Any) -> Any:
        """Publish a message in a helper thread, because some broker clients have no timeout.

        ``argsrepr`` replaces the arguments in Celery's logs and events, because they contain visitor ids.
        """
        app = self.task.app
        serializer = serializer_of(app.conf)
        if apply_options.get("serializer", serializer) != serializer:
            reject("serializer", repr(serializer), apply_options["serializer"])
        ids = {}
        if app.current_worker_task is not None:  # Celery does not find this task in the helper thread that publishes
            parent = app.current_worker_task.request
            ids = {"root_id": parent.root_id or parent.id, "parent_id": parent.id}
        apply_options = {"argsrepr": describe_message(message), "serializer": serializer, **ids, **apply_options}
        publish = partial(self.task.apply_async, (message,), **apply_options)
        if app.conf.task_always_eager:  # the task runs here and has no time limit
            return publish()
        try:
            return self._processes.get().publishing.call(publish, Deadline.after(self._publish_seconds))
        except (DeadlineExceeded, ConnectionFailed):
            timeout = f"{self._publish_seconds * 1000:.0f} ms"
            raise OperationalError(f"the broker did not accept the message within {timeout}") from None

    def resend(self, event: Mapping[str, Any]) -> None:
        """Publish notifications that a client could not deliver. Subscribe it to ``send_notification_error``.

        The ids stay the same. If the broker does not accept the message either, the loss is counted and logged. Raises
        nothing except the exception of a soft time limit, which belongs to the running task.
        """
        ended_with_its_client = isinstance(event["error"], ClientClosed)
        if is_transient(event["error"]) and self._try_publish(event):
            self._resent.add()
            if ended_with_its_client:
                self._rescued.add()
        elif not ended_with_its_client:  # otherwise _on_shutdown counts it
            self._lost.add()
            now = monotonic()
            if now >= self._log_paused_until:
                self._log_paused_until = now + _LOG_INTERVAL
                self._log.error("Notifications were lost; requests lost so far: %d", int(self._lost))

    def _try_publish(self, event: Mapping[str, Any]) -> bool:
        """Publish the notifications of ``event``; return False if the broker fails or has just failed."""
        now = monotonic()
        if now < self._broker_paused_until:
            return False
        if self._broker_paused_until:  # this call tries the broker; the others do not wait for it
            self._broker_paused_until = now + self._publish_seconds + _BROKER_RETRY_DELAY
        try:
            message = message_from_request(event["notification"], event["session_id"])
            self._publish(message, retry=True, retry_policy=_SINGLE_RETRY)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - broker clients raise errors of many kinds
            self._broker_paused_until = monotonic() + _BROKER_RETRY_DELAY
            self._log.info("The broker did not accept notifications (%s)", type(error).__name__)
            return False
        self._broker_paused_until = 0.0
        return True

    def stats(self) -> Dict[str, int]:
        """Return the numbers of requests that this process has ``sent``, ``resent`` and ``lost``."""
        return {"sent": int(self._sent), "resent": int(self._resent), "lost": int(self._lost)}

    def _run(self, task: "_Task", args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
        """Run the task."""
        error = self._deliver(args, kwargs)
        if error is None:
            return
        # Raised outside an except block, so that Celery does not log a chained error, which could quote the answer.
        if not _should_retry(task, error):
            attempts = task.request.retries + 1
            self._log.error("Notifications were not delivered (%s); attempts: %d", error_name(error), attempts)
            raise error
        try:
            # The error is retryable, so options_from_message accepted the arguments, which are exactly one message.
            message = next(iter((*args, *kwargs.values())))
            options = {"argsrepr": describe_message(message), "serializer": serializer_of(task.app.conf)}
            raise task.retry(exc=error, countdown=_retry_delay(task), **options)
        except Reject as rejected:  # the new message was not accepted; return the current one to the queue
            raise Reject(rejected.reason, requeue=True) from None

    def _deliver(self, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Optional[Exception]:
        """Send the notifications; return the error if that fails. SDK errors are returned without visitor data."""
        error: Optional[Exception]
        try:
            options = options_from_message(args, kwargs, self._log)
            error = self.client.send_notifications(options).error
        except Exception as raised:  # noqa: BLE001 - a factory can raise any error
            error = raised
        return redacted_error(error) if isinstance(error, TargetError) else error

    def _on_worker_init(self, sender: "Optional[WorkController]" = None, **_: object) -> None:
        """Handle the start of a worker. With prefork, its main process needs no client."""
        if not _is_prefork(getattr(sender, "pool_cls", None)):
            self._start_client()

    def _on_task_unknown(self, sender: Any, message: "Message", name: str, **_: object) -> None:
        """Deliver a message that this worker rejected, because ``install`` was called after the worker's start."""
        task = sender.app.tasks.get(name)
        if task is None or INSTALLATIONS.find(task) is not self:
            return
        try:
            if not _is_prefork(type(sender.pool)):
                sender.update_strategies()  # the worker determines its tasks again
                send_again(message, self._publish)
                return
            self._log.error(TOO_LATE, name)
        except Exception as error:  # noqa: BLE001 - broker clients raise errors of many kinds
            self._log.error("A message for %s was lost (%s)", name, type(error).__name__)
        self._lost.add()

    def _start_client(self, **_: object) -> None:
        """Create the client at the start of a process that runs tasks: a child of prefork, or a main process.

        Celery logs an error of the factory; the first task that needs the client tries again.
        """
        app: Any = self._app or current_app
        seconds = app.conf.worker_proc_alive_timeout or _DEFAULT_ALIVE_TIMEOUT
        self._processes.get().start(seconds / 2)  # the rest of the time is for Celery's own start

    def _on_shutdown(self, **_: object) -> None:
        """Handle the end of this process: close its client, which takes at most ``flush_timeout``."""
        process = self._processes.current()
        if process is None:
            return
        rescued_before = int(self._rescued)
        unfinished = process.close(self._flush_seconds)
        lost = unfinished - (int(self._rescued) - rescued_before)
        self._processes.pop()  # after close, because callbacks may use the client
        if lost > 0:
            self._lost.add(lost)
            timeout = self._flush_seconds * 1000
            self._log.error("%d calls had not ended %.0f ms after Celery stopped this process", lost, timeout)


def send_notifications(task: "_Task", *args: Json, **kwargs: Json) -> None:
    """Send notifications to the edge. This is the function of the task.

    It accepts any arguments, so that a forged message raises ``OptionError`` instead of TypeError. All installations
    share it, because Celery keeps the first function of a task and warns about a different one.
    """
    target = INSTALLATIONS.find(task)
    assert target is not None
    target._run(task, args, kwargs)


def _should_retry(task: "_Task", error: BaseException) -> bool:
    """Return whether to run the task again: after a transient error, a soft time limit, or an error of the factory.

    A task is not repeated if its caller waits for it.
    """
    is_permanent = isinstance(error, TargetError) and not is_transient(error)
    if task.request.is_eager or task.request.called_directly or is_permanent:
        return False
    return task.max_retries is None or bool(task.request.retries < task.max_retries)


def _retry_delay(task: "_Task") -> int:
    """Return the seconds until the next attempt, computed like Celery's own automatic retries."""
    factor, maximum, has_jitter = int(task.retry_backoff), int(task.retry_backoff_max), bool(task.retry_jitter)
    return int(get_exponential_backoff_interval(factor, task.request.retries, maximum, has_jitter))


def _is_prefork(pool: Union[str, type, None]) -> bool:
    """Return whether ``pool`` runs tasks in child processes.

    It does not import Celery's pool, because the application may not have applied gevent's patches yet.
    """
    if isinstance(pool, str):
        return pool == "processes" or "prefork" in pool
    return any(base.__module__ == "celery.concurrency.prefork" for base in getattr(pool, "__mro__", ()))
