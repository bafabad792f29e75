"""Evaluates flags with one library, in a separate process under an interpreter that has it.

``python -m benchmarks.flag_worker SETTINGS`` answers ``{"calls": N, "seed": S}`` with
``{"seconds": T}``: the duration of evaluating one flag for N new users.
"""

import importlib
import json
import logging
import os
import sys
import time
from typing import Any, Callable, Dict, List

from benchmarks.artifacts import URL, USER_AGENT, flag, visitors
from benchmarks.decision_worker import NoNetwork, on_device_client
from benchmarks.line_protocol import Message, answer_lines, protocol_output, send
from benchmarks.plan import OPTIMIZELY

#: The name of the flag, and the values of its two variations.
_FLAG = "new-checkout"
_LIMITS = {75: True, 150: False}

Decide = Callable[[str], Any]


class SdkFlag:
    """``get_attributes`` of this checkout: builds a request for each user, and reads both values of the flag."""

    def __init__(self) -> None:
        self.version = "this checkout"
        self._types: Any = importlib.import_module("delivery_api_client")
        self._client = on_device_client({"kind": "sdk"}, flag(), pool_manager=NoNetwork())

    def decide(self, user: str) -> Any:
        """Return both values for ``user``."""
        types = self._types
        context = types.Context(
            channel=types.ChannelType.WEB, address=types.Address(url=URL), user_agent=USER_AGENT)  # fmt: skip
        request = types.DeliveryRequest(id=types.VisitorId(tnt_id=user), context=context)
        attributes = self._client.get_attributes([_FLAG], {"request": request})
        return attributes.get_value(_FLAG, "enabled"), attributes.get_value(_FLAG, "limit")

    def wait(self) -> None:
        """Wait for the notifications."""
        self._client.flush(30.0)


class OptimizelyFlag:
    """``decide`` of optimizely-sdk: builds a context for each user, and reads its decision."""

    def __init__(self) -> None:
        module: Any = importlib.import_module("optimizely.optimizely")
        self.version = f"optimizely-sdk {importlib.import_module('optimizely.version').__version__}"
        self._optimizely = module.Optimizely(datafile=json.dumps(datafile()), event_dispatcher=_NoEvents)
        if not self._optimizely.is_valid:
            raise RuntimeError("optimizely-sdk does not accept the datafile")

    def decide(self, user: str) -> Any:
        """Return both values for ``user``."""
        decision = self._optimizely.create_user_context(user, {"url": URL}).decide(_FLAG)
        return decision.enabled and decision.variables["enabled"], decision.variables["limit"]

    def wait(self) -> None:
        """Do nothing; events are sent in batches by default."""


class _NoEvents:
    """An event dispatcher that sends nothing."""

    @staticmethod
    def dispatch_event(_event: Any) -> None:
        """Discard the event."""


def datafile() -> Dict[str, Any]:
    """Return a project with one flag, whose variations get half of the users each, in Optimizely's format."""
    variations = [_variation(str(number + 1), limit) for number, limit in enumerate(_LIMITS)]
    bounds = {"75": 5000, "150": 10000}
    allocation = [{"entityId": each["id"], "endOfRange": bounds[each["key"]]} for each in variations]
    return {
        "version": "4", "rollouts": [], "typedAudiences": [], "anonymizeIP": True, "projectId": "10431130345",
        "variables": [], "groups": [], "attributes": [{"id": "88", "key": "url"}], "audiences": [], "events": [],
        "accountId": "10367498574", "botFiltering": False, "sdkKey": "key", "environmentKey": "production",
        "revision": "7",
        "featureFlags": [
            {
                "id": "4482920077", "key": _FLAG, "rolloutId": "", "experimentIds": ["10420810910"],
                "variables": [
                    {"id": "1", "key": "enabled", "type": "boolean", "defaultValue": "false"},
                    {"id": "2", "key": "limit", "type": "integer", "defaultValue": "0"},
                ],
            }
        ],
        "experiments": [
            {
                "id": "10420810910", "key": "checkout-test", "layerId": "10417730432", "status": "Running",
                "audienceIds": [], "forcedVariations": {}, "variations": variations, "trafficAllocation": allocation,
            }
        ],
    }  # fmt: skip


def _variation(identity: str, limit: int) -> Dict[str, Any]:
    values = {"1": str(_LIMITS[limit]).lower(), "2": str(limit)}
    variables = [{"id": key, "value": value} for key, value in values.items()]
    return {"id": identity, "key": str(limit), "featureEnabled": True, "variables": variables}


def timed(flags: Any, ids: List[str]) -> float:
    """Return the seconds for one decision per user."""
    decide: Decide = flags.decide
    started = time.perf_counter()
    answers = [decide(user) for user in ids]
    seconds = time.perf_counter() - started
    wrong = [answer for answer in answers if answer != (_LIMITS.get(answer[1]), answer[1])]
    if wrong:
        raise RuntimeError(f"not decided: {wrong[0]}")
    flags.wait()
    return seconds


def main() -> None:
    """Create the client of the settings, then answer the questions."""
    logging.disable(logging.CRITICAL)
    settings: Message = json.loads(sys.argv[1])
    output = protocol_output()
    try:
        flags: Any = OptimizelyFlag() if settings["kind"] == OPTIMIZELY else SdkFlag()
        timed(flags, visitors("first", 1))
    except Exception as error:  # noqa: BLE001 - the benchmark prints it as the reason for "not run"
        send(output, {"error": f"{type(error).__name__}: {error}"})
        return
    send(output, {"version": flags.version})
    answer_lines(output, lambda question: {"seconds": timed(flags, visitors(question["seed"], question["calls"]))})
    os._exit(0)  # do not wait for threads of the library


if __name__ == "__main__":
    main()
