"""Handles a call of ``install`` after the start of a Celery worker.

A worker determines at its start which tasks it can run. It rejects messages for other tasks, and they are lost.
"""

from typing import TYPE_CHECKING, Any, Callable, Dict

from billiard.process import current_process

from target_tools.logger import Log

if TYPE_CHECKING:
    from kombu.message import Message

_IN_A_CHILD = (
    "install was called in a child process of a Celery worker. Unless it is also called in the worker's main process"
    " before the worker starts, the main process does not know the task %s and discards its messages"
)
#: Child processes that were forked before the task existed cannot run it.
TOO_LATE = (
    "A message was lost: install was called after the Celery worker had started its child processes, which do not"
    " know the task %s. Call install where the application is created"
)


def warn_in_a_child(task_name: str, log: Log) -> None:
    """Log an error in a child of the prefork pool, because its main process receives the messages."""
    if current_process().name != "MainProcess":  # billiard gives this name to a process that it did not start
        log.error(_IN_A_CHILD, task_name)


def send_again(message: "Message", publish: Callable[..., Any]) -> None:
    """Put a rejected message on the broker again, as the same task with the same arguments."""
    payload, headers = message.payload, message.headers or {}
    is_protocol_1 = isinstance(payload, dict)  # version 1 of Celery's message protocol has no headers
    arguments, properties = (payload["args"], payload) if is_protocol_1 else (payload[0], headers)
    ids: Dict[str, Any] = {name: properties[name] for name in ("root_id", "parent_id") if properties.get(name)}
    publish(arguments[0], task_id=properties["id"], retries=properties.get("retries") or 0, **ids)
