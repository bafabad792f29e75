"""The same flag in each library. It has two variations, each for half of the users."""

import importlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

from benchmarks.artifacts import URL, USER_AGENT, flag
from benchmarks.decision_worker import NoNetwork, name_of, on_device_client
from benchmarks.line_protocol import Message
from benchmarks.plan import CONFIGCAT, GROWTHBOOK, LAUNCHDARKLY, OPTIMIZELY

#: The name of the flag.
FLAG = "new-checkout"
#: For the limit of each variation: whether the feature is enabled.
LIMITS = {75: True, 150: False}


class SdkFlag:
    """``get_attributes`` of this checkout: builds a request for each user, and reads both values of the flag."""

    def __init__(self, settings: Message) -> None:
        self._types: Any = importlib.import_module("delivery_api_client")
        self._client = on_device_client(settings, flag(), pool_manager=NoNetwork())
        self.decide("first")
        self.version = name_of(settings)

    def decide(self, user: str) -> Any:
        """Return both values for ``user``."""
        types = self._types
        context = types.Context(
            channel=types.ChannelType.WEB, address=types.Address(url=URL), user_agent=USER_AGENT)  # fmt: skip
        request = types.DeliveryRequest(id=types.VisitorId(tnt_id=user), context=context)
        attributes = self._client.get_attributes([FLAG], {"request": request})
        return attributes.get_value(FLAG, "enabled"), attributes.get_value(FLAG, "limit")

    def wait(self) -> None:
        """Wait for the notifications."""
        self._client.flush(30000)


class OptimizelyFlag:
    """``decide`` of optimizely-sdk: builds a context for each user, and reads the decision."""

    def __init__(self) -> None:
        module: Any = importlib.import_module("optimizely.optimizely")
        self.version = f"optimizely-sdk {importlib.import_module('optimizely.version').__version__}"
        self._optimizely = module.Optimizely(datafile=json.dumps(datafile()), event_dispatcher=_NoEvents)
        if not self._optimizely.is_valid:
            raise RuntimeError("optimizely-sdk does not accept the datafile")

    def decide(self, user: str) -> Any:
        """Return both values for ``user``."""
        decision = self._optimizely.create_user_context(user, {"url": URL}).decide(FLAG)
        return decision.enabled and decision.variables["enabled"], decision.variables["limit"]

    def wait(self) -> None:
        """Do nothing; a thread collects the events, which are then discarded."""


class _NoEvents:
    """An event dispatcher that sends nothing."""

    @staticmethod
    def dispatch_event(_event: Any) -> None:
        """Discard the event."""


def datafile() -> Dict[str, Any]:
    """Return a project in Optimizely's format. It has one flag with two variations, each for half of the users."""
    variations = [_variation(str(number + 1), limit) for number, limit in enumerate(LIMITS)]
    bounds = {"75": 5000, "150": 10000}
    allocation = [{"entityId": each["id"], "endOfRange": bounds[each["key"]]} for each in variations]
    return {
        "version": "4", "rollouts": [], "typedAudiences": [], "anonymizeIP": True, "projectId": "10431130345",
        "variables": [], "groups": [], "attributes": [{"id": "88", "key": "url"}], "audiences": [], "events": [],
        "accountId": "10367498574", "botFiltering": False, "sdkKey": "key", "environmentKey": "production",
        "revision": "7",
        "featureFlags": [
            {
                "id": "4482920077", "key": FLAG, "rolloutId": "", "experimentIds": ["10420810910"],
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
    values = {"1": str(LIMITS[limit]).lower(), "2": str(limit)}
    variables = [{"id": key, "value": value} for key, value in values.items()]
    return {"id": identity, "key": str(limit), "featureEnabled": True, "variables": variables}


class LaunchDarklyFlag:
    """``variation`` of LaunchDarkly's server SDK, with its flag in a file and without events."""

    def __init__(self) -> None:
        library: Any = importlib.import_module("ldclient")
        files: Any = importlib.import_module("ldclient.integrations").Files
        self.version = f"launchdarkly-server-sdk {importlib.import_module('ldclient.version').VERSION}"
        halves = [{"variation": number, "weight": 50000} for number in range(2)]
        document = {
            "key": FLAG, "version": 1, "on": True, "variations": list(LIMITS), "offVariation": 1, "salt": "salt",
            "fallthrough": {"rollout": {"variations": halves}},
        }  # fmt: skip
        source = files.new_data_source(paths=[_in_a_file({"flags": {FLAG: document}})])
        config: Any = importlib.import_module("ldclient.config").Config
        self._client = library.LDClient(config("key", update_processor_class=source, send_events=False))
        self._context = library.Context

    def decide(self, user: str) -> Any:
        """Return both values for ``user``."""
        context = self._context.builder(user).set("url", URL).build()
        return _both(self._client.variation(FLAG, context, None))

    def wait(self) -> None:
        """Do nothing; there are no events."""


class GrowthBookFlag:
    """``get_feature_value`` of GrowthBook, with one object for each user, as its documentation recommends."""

    def __init__(self) -> None:
        library: Any = importlib.import_module("growthbook")
        self.version = f"growthbook {importlib.import_module('importlib.metadata').version('growthbook')}"
        rule = {"variations": list(LIMITS), "weights": [0.5, 0.5], "hashAttribute": "id", "key": "checkout-test"}
        self._features = {FLAG: {"defaultValue": 0, "rules": [rule]}}
        self._library = library

    def decide(self, user: str) -> Any:
        """Return both values for ``user``."""
        library = self._library.GrowthBook(attributes={"id": user, "url": URL}, features=self._features)
        return _both(library.get_feature_value(FLAG, 0))

    def wait(self) -> None:
        """Do nothing; there are no events."""


class ConfigCatFlag:
    """``get_value`` of ConfigCat, with its flag in a file."""

    def __init__(self) -> None:
        library: Any = importlib.import_module("configcatclient")
        user: Any = importlib.import_module("configcatclient.user")
        options: Any = importlib.import_module("configcatclient.configcatoptions")
        local: Any = importlib.import_module("configcatclient.localfiledatasource")
        behaviour: Any = importlib.import_module("configcatclient.overridedatasource").OverrideBehaviour
        self.version = f"configcat-client {importlib.import_module('importlib.metadata').version('configcat-client')}"
        shares = [{"p": 50, "v": {"i": limit}} for limit in LIMITS]
        setting = {"t": 2, "v": {"i": 0}, "p": shares}
        file = _in_a_file({"p": {"u": "", "r": 0, "s": "salt"}, "f": {FLAG: setting}})
        overrides = local.LocalFileFlagOverrides(file, behaviour.LocalOnly)
        self._client = library.ConfigCatClient.get("key", options.ConfigCatOptions(flag_overrides=overrides))
        self._user = user.User

    def decide(self, user: str) -> Any:
        """Return both values for ``user``."""
        return _both(self._client.get_value(FLAG, None, self._user(user, custom={"url": URL})))

    def wait(self) -> None:
        """Do nothing; there are no events."""


def _both(limit: Any) -> Tuple[Any, Any]:
    """Return both values of the flag. These libraries return only the limit, which determines the other value."""
    return LIMITS.get(limit), limit


def _in_a_file(document: Dict[str, Any]) -> str:
    """Write a document to a temporary file, which is not deleted, and return its path."""
    handle, name = tempfile.mkstemp(suffix=".json")
    os.close(handle)
    Path(name).write_text(json.dumps(document), encoding="utf-8")
    return name


#: The libraries by the name of the peer. Any other name is this checkout.
LIBRARIES: Dict[str, Callable[[], Any]] = {
    OPTIMIZELY: OptimizelyFlag,
    LAUNCHDARKLY: LaunchDarklyFlag,
    GROWTHBOOK: GrowthBookFlag,
    CONFIGCAT: ConfigCatFlag,
}
