"""The edge cluster of a client that decides by itself, asked for in the background.

Device ids that this process makes name the cluster that will hold the visitor's
profile, and a client that never calls the edge never hears of one.  So such a client
asks once in each process that does not know it yet.  Nobody waits for the answer: when
the client is closed, or the process ends, the question is dropped.  Without it device
ids have no hint, and the edge finds the profile all the same.
"""

import weakref
from functools import partial
from typing import Optional, Protocol

from target_python_sdk.artifact.update import say
from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.exchange import delivery_request
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.pipeline import Answer, deliver
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.types import DeliveryRequest
from target_tools.concurrency.abort import AbortScope
from target_tools.concurrency.poller import Poller
from target_tools.enums import DecisioningMethod
from target_tools.errors import TargetError
from target_tools.http.messages import Send
from target_tools.logger import Log


class Learner(Protocol):
    """Who wants to know the cluster."""

    @property
    def location_hint(self) -> Optional[str]:
        """The cluster, if it is known."""
        ...

    def learn(self, answer: Answer) -> None:
        """Take over what an answer of the edge tells the client."""
        ...


def ask_for_cluster(settings: ClientSettings, send: Send, learner: Learner, log: Log) -> None:
    """Let ``learner`` know the cluster, when the edge has named it."""
    scope = AbortScope()
    # The turn does not hold the learner: a client that is dropped is not kept by a server that hangs.
    turn = partial(_ask, settings, send, weakref.ref(learner), log, scope)
    # Where no thread is to be had, the answer is not worth a wait.
    Poller(turn, "target-{}-hint".format(settings.client), scope).start()


def _ask(settings: ClientSettings, send: Send, learner: "weakref.ref[Learner]", log: Log, scope: AbortScope) -> None:
    """The one turn of a poller."""
    try:
        call = Call(DeliveryRequest(), settings.timeout, DecisioningMethod.SERVER_SIDE)
        prepared = prepare_request(call, settings, None, log)
        request = delivery_request(prepared, settings)
        answer = deliver(prepared, request, send, scope.deadline(settings.timeout))
        known = learner()
        if known is not None and known.location_hint is None:
            known.learn(answer)
    except TargetError as error:
        log.debug("Unable to retrieve location hint cookie. (%s)", type(error).__name__)
    except Exception:  # noqa: BLE001 - somebody's pool manager may raise anything, and nobody waits for the answer
        say(log, "Unable to retrieve location hint cookie.")
