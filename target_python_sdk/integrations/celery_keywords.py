"""Separates the options of a call from those of Celery's ``apply_async``, and finds misspelled ones.

Celery itself accepts any keyword argument, and puts those that it does not know into the properties of the message.
"""

from inspect import signature
from typing import Any, Dict, Mapping, Tuple

from target_python_sdk.delivery.call_options import CALL_OPTION_NAMES
from target_tools.error_text import invalid
from target_tools.errors import OptionError

#: The keyword arguments of ``apply_async``, except ``args`` and ``kwargs``, which contain the message.
_TASK_OPTIONS = frozenset(
    [
        "add_to_parent", "argsrepr", "chain", "chord", "countdown", "eta", "expires", "group_id", "group_index",
        "ignore_result", "kwargsrepr", "link", "link_error", "origin", "parent_id", "replaced_task_nesting",
        "reply_to", "result_cls", "retries", "root_id", "route_name", "router", "shadow", "soft_time_limit",
        "stamped_headers", "task_id", "time_limit",
    ]
)  # fmt: skip
#: The keyword arguments with which a message is published.
_MESSAGE_OPTIONS = frozenset(
    [
        "compression", "confirm_timeout", "connection", "declare", "delivery_mode", "event_dispatcher", "exchange",
        "exchange_type", "headers", "immediate", "mandatory", "priority", "producer", "publisher", "queue", "retry",
        "retry_policy", "routing_key", "serializer",
    ]
)  # fmt: skip
#: The properties of a message: those of AMQP, and those of Amazon SQS.
_PROPERTIES = frozenset(
    [
        "app_id", "cluster_id", "content_encoding", "content_type", "correlation_id", "expiration", "message_id",
        "timestamp", "type", "user_id", "delay_seconds", "DelaySeconds", "MessageAttributes",
        "MessageDeduplicationId", "MessageGroupId",
    ]
)  # fmt: skip
_PUBLISH_OPTIONS = _TASK_OPTIONS | _MESSAGE_OPTIONS | _PROPERTIES


def split_keywords(keywords: Mapping[str, Any], task: Any) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Return the options of a call and those of ``task.apply_async``. Raises ``OptionError`` for any other name."""
    of_call = {name: value for name, value in keywords.items() if name in CALL_OPTION_NAMES}
    others = {name: value for name, value in keywords.items() if name not in CALL_OPTION_NAMES}
    unknown = others.keys() - _PUBLISH_OPTIONS - {*(others.get("stamped_headers") or ())}
    if unknown:
        # The base class of an application's tasks can add parameters to ``apply_async``.
        own = signature(task.apply_async).parameters.keys() - {"args", "kwargs"}
        for name in sorted(unknown - own):
            known = [*CALL_OPTION_NAMES, *_PUBLISH_OPTIONS, *own]
            raise OptionError(invalid("", f"unexpected keyword argument {name!r}", name=name, known=known), name)
    return of_call, others
