"""Support for an ``install`` that comes after the start of a Celery worker.

A worker looks up the tasks that it can run when it starts.  It rejects a message for any other task, and the message
is lost.
"""

from typing import Any, Callable, Dict, Optional

from billiard.process import current_process

from target_tools.logger import Log

_IN_A_CHILD = (
    "install was called in a child process of a Celery worker. Unless it is also called in the worker's main process"
    " before the worker starts, the main process does not know the task %s and discards its messages"
)
_TOO_LATE = (
    "A message was lost: install was called after the Celery worker had started its child processes, which do not"
    " know the task %s. Call install where the application is made"
)


def warn_in_a_child(task_name: str, log: Log) -> None:
    """Log an error in a child of the prefork pool, whose main process receives the messages."""
    if current_process().name != "MainProcess":  # billiard gives this name to a process that it did not start
        log.error(_IN_A_CHILD, task_name)


def learn_task(consumer: Any, task_name: str, children: bool, log: Log) -> bool:
    """Make the consumer of a running worker look up its tasks again; return whether it can run this one now.

    ``children`` says that tasks run in processes.  These were forked before the task was known, and cannot run it.
    """
    if children:
        log.error(_TOO_LATE, task_name)
        return False
    consumer.update_strategies()
    return True


def send_again(message: Any, publish: Callable[..., Any]) -> None:
    """Put a rejected message on the broker again, as the same task with the same arguments."""
    payload, headers = message.payload, message.headers or {}
    first_version = isinstance(payload, dict)  # of Celery's message protocol, which has everything in the body
    arguments, facts = (payload["args"], payload) if first_version else (payload[0], headers)
    lineage: Dict[str, Optional[str]] = {name: facts[name] for name in ("root_id", "parent_id") if facts.get(name)}
    publish(arguments[0], task_id=facts["id"], retries=facts.get("retries") or 0, **lineage)
