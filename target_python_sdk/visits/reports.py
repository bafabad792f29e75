"""Reports displays and clicks in the background."""

from inspect import isawaitable
from typing import Any, Callable, List, Sequence

from target_python_sdk.client_calls import ClientCalls
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.notifications import queue_notifications
from target_python_sdk.offers import Offer, warn_once
from target_python_sdk.types import Notification
from target_tools.error_text import invalid
from target_tools.errors import OptionError
from target_tools.logger import default_logger


def queue_call(client: Any, options: Any) -> None:
    """Let a worker of ``client`` send the notifications of a call. Raises ``OptionError``."""
    if not isinstance(client, ClientCalls):  # a test double
        client.send_notifications({**options, "callback": lambda answer: None})
        return
    call, runtime = client._notifications_call(options), client._processes.get()
    prepared = prepare_request(call, runtime.settings, runtime.location_hint, runtime.log)
    queue_notifications(prepared, (), runtime, client._replaced_send_notifications(), call.visitor)


def reportable(notification: Callable[[Offer], Notification], offers: Sequence[Offer]) -> List[Notification]:
    """Return the notifications of the offers that have something to report.

    A click that no activity measures is lost, so it is logged at WARNING, once for each name.
    """
    found = []
    for offer in offers:
        given: Any = offer
        if not isinstance(given, Offer):
            expected = "an Offer, such as offers['hero']"
            hint = "did you forget await?" if isawaitable(given) else ""
            raise OptionError(invalid("Invalid argument 'offers'", expected=expected, got=given, hint=hint), "offers")
        try:
            found.append(notification(offer))
        except OptionError as error:
            if offer and notification is Offer.click:
                warn_once(str(error))
            else:
                default_logger().debug("%s", error)
    return found
