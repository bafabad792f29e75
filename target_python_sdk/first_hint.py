"""The edge cluster of a client that decides by itself, asked for in the background.

Device ids that this process makes name the cluster that will hold the visitor's
profile, and a client that never calls the edge never hears of one.  So such a client
asks once, when it is made.  Nobody waits for the answer, at the end of the process
neither: without it device ids have no hint, and the edge finds the profile all the same.
"""

import _thread
import weakref

from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.pipeline import Answer, deliver
from target_python_sdk.delivery.prepare import prepare
from target_python_sdk.runtime import Runtime
from target_python_sdk.types import DeliveryRequest
from target_tools.clock import Deadline
from target_tools.enums import DecisioningMethod
from target_tools.errors import TargetError
from target_tools.flow import Send, run
from target_tools.logger import Log


def ask_for_cluster(runtime: Runtime) -> None:
    """Let ``runtime`` know the cluster, when the edge has named it."""
    try:
        # The thread does not hold the runtime: a client that is dropped is not kept by a server that hangs.
        _thread.start_new_thread(_ask, (runtime.settings, runtime.transport.send, weakref.ref(runtime), runtime.log))
    except (RuntimeError, MemoryError):  # no thread to be had, and it is not worth a wait
        return


def _ask(settings: ClientSettings, send: Send, runtime: "weakref.ref[Runtime]", log: Log) -> None:
    call = Call(DeliveryRequest(), settings.timeout, DecisioningMethod.SERVER_SIDE)
    try:
        prepared = prepare(call, settings, None, log)
        answer: Answer = run(deliver(prepared, settings), send, Deadline.after(settings.timeout))
    except TargetError as error:
        log.debug("Unable to retrieve location hint cookie. (%s)", type(error).__name__)
        return
    known = runtime()
    if known is not None and known.location_hint is None:
        known.learn(answer)
