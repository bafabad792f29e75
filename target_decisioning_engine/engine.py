"""1.1.0's decisioning engine, for those who use it without a client."""

from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

if TYPE_CHECKING:
    from target_decisioning_engine.running import Running
    from target_decisioning_engine.types.decision_provider_response import DecisionProviderResponse
    from target_decisioning_engine.types.decisioning_config import DecisioningConfig
    from target_decisioning_engine.types.target_delivery_request import TargetDeliveryRequest
    from target_python_sdk.types import DeliveryRequest


class TargetDecisioningEngine:
    """Decides in this process, by a rule artifact that it keeps new; asks nobody else, and tells nobody by itself.

    Nothing happens before :meth:`initialize`.  After a fork the child goes on with its
    parent's artifact, and looks for newer ones by itself.
    """

    def __init__(self, config: "DecisioningConfig") -> None:
        self.config = config
        self._running: Optional[Running] = None

    def initialize(self) -> None:
        """Get the artifact, and look for newer ones from now on.

        Waits ``maximum_wait_ready`` seconds at most, and less where the first download fails.
        Raises ``OptionError`` for a configuration that cannot be used, and
        ``ArtifactNotAvailable`` where no artifact is there then: the engine goes on looking
        all the same, and ``is_ready`` tells when it has found one.
        """
        running = self._running
        if running is None or running.stopped:
            # What decides is a third of our modules, and who only names this class does without.
            from target_decisioning_engine.running import Running  # noqa: PLC0415

            running = self._running = Running(self.config)
        running.begin()

    def is_ready(self) -> bool:
        """Whether there is an artifact to decide by."""
        return self.artifact is not None

    @property
    def artifact(self) -> Optional[Mapping[str, Any]]:
        """The artifact as it came, or None.  It is what decisions are made by, so nobody is to write to it."""
        return None if self._running is None else self._running.document()

    def get_raw_artifact(self) -> Optional[Dict[str, Any]]:
        """The same, in a dict of the caller's; what is in that is nobody's to write to, either."""
        document = self.artifact
        return None if document is None else dict(document)

    def stop_polling(self) -> None:
        """Look for no newer artifact; the last one goes on to decide.  ``initialize`` begins anew."""
        if self._running is not None:
            self._running.stop()

    def has_remote_dependency(self, request: "DeliveryRequest") -> Dict[str, Any]:
        """What of ``request`` only the edge can decide: ``remote_needed``, ``remote_mboxes``, ``remote_views``.

        Raises ``ArtifactNotAvailable``.
        """
        return self._begun().remote_dependency(request)

    def get_offers(self, target_options: "TargetDeliveryRequest") -> "DecisionProviderResponse":
        """What an artifact can decide of a request; ``status`` is 206 where some of it is the edge's to decide.

        What is to be told to the edge is handed to ``send_notification_func``, in another
        thread.  Raises ``ArtifactNotAvailable``, and ``OptionError`` for a request that
        cannot be used.
        """
        return self._begun().offers(target_options)

    def _begun(self) -> "Running":
        if self._running is None:
            from target_decisioning_engine.running import not_available  # noqa: PLC0415 - as above

            raise not_available()
        return self._running
