"""1.1.0's decisioning engine, for use without a ``TargetClient``."""

from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

if TYPE_CHECKING:
    from target_decisioning_engine.engine_runtime import EngineRuntime
    from target_decisioning_engine.types.decision_provider_response import DecisionProviderResponse
    from target_decisioning_engine.types.decisioning_config import DecisioningConfig
    from target_decisioning_engine.types.target_delivery_request import TargetDeliveryRequest
    from target_python_sdk.types import DeliveryRequest


class TargetDecisioningEngine:
    """Decides in this process, with a rule artifact that it downloads and polls.

    The engine sends no request to the edge; it passes notifications to ``send_notification_func``. It does nothing
    before :meth:`initialize`. After a fork, the child continues with its parent's artifact and polls on its own.
    """

    def __init__(self, config: "DecisioningConfig") -> None:
        self.config = config
        self._runtime: Optional[EngineRuntime] = None

    def initialize(self) -> None:
        """Download the artifact and start polling.

        Waits at most ``maximum_wait_ready`` seconds, and less if the first download fails. Raises ``OptionError`` for
        an invalid configuration, and ``ArtifactNotAvailable`` if there is no artifact by then. In that case polling
        continues, and ``is_ready`` returns True once a download has succeeded.
        """
        runtime = self._runtime
        if runtime is None or runtime.stopped:
            # Imported here, so that importing this class alone does not load the decisioning modules.
            from target_decisioning_engine.engine_runtime import EngineRuntime  # noqa: PLC0415

            runtime = self._runtime = EngineRuntime(self.config)
        runtime.start()

    def is_ready(self) -> bool:
        """Return whether the engine has an artifact."""
        return self._runtime is not None and self._runtime.is_ready()

    @property
    def artifact(self) -> Optional[Mapping[str, Any]]:
        """The downloaded artifact, or None. Do not modify it: later reads return the same object."""
        return None if self._runtime is None else self._runtime.document()

    def get_raw_artifact(self) -> Optional[Dict[str, Any]]:
        """Return a shallow copy of the artifact, or None. Do not modify the objects in it."""
        document = self.artifact
        return None if document is None else dict(document)

    def stop_polling(self) -> None:
        """Stop polling. Decisions continue with the last artifact; ``initialize`` starts polling again."""
        if self._runtime is not None:
            self._runtime.stop()

    def has_remote_dependency(self, request: "DeliveryRequest") -> Dict[str, Any]:
        """Return which parts of ``request`` only the edge can decide.

        The keys are ``remote_needed``, ``remote_mboxes`` and ``remote_views``. Raises ``ArtifactNotAvailable``.
        """
        return self._require_runtime().remote_parts_of(request)

    def get_offers(self, target_options: "TargetDeliveryRequest") -> "DecisionProviderResponse":
        """Decide a request. ``status`` is 206 if the edge has to decide some of it.

        Notifications are passed to ``send_notification_func`` in another thread. Raises ``ArtifactNotAvailable``,
        ``DeadlineExceeded``, and ``OptionError`` for an invalid request.
        """
        return self._require_runtime().decide(target_options)

    def _require_runtime(self) -> "EngineRuntime":
        if self._runtime is None:
            from target_decisioning_engine.engine_runtime import not_available  # noqa: PLC0415 - as above

            raise not_available()
        return self._runtime
