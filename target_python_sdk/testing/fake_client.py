"""A client without a network, for tests of applications."""

import contextlib
from typing import Any, ContextManager, Dict, Iterator, List, Mapping, NoReturn, Optional, Sequence, Type, Union

from target_python_sdk.client import TargetClient
from target_python_sdk.local_edge.activities import ActivitiesSource
from target_python_sdk.testing.fake_network import FLUSH_TIMEOUT, Failure, FakeNetwork
from target_python_sdk.testing.offers import CLIENT, ORGANIZATION_ID
from target_python_sdk.types import DeliveryRequest
from target_tools.enums import DecisioningMethod
from target_tools.error_text import invalid
from target_tools.errors import OptionError
from target_tools.typing_compat import Json

#: The default options of a fake client.
_DEFAULTS: Mapping[str, Any] = {"client": CLIENT, "organization_id": ORGANIZATION_ID, "telemetry_enabled": False}


class FakeTargetClient(TargetClient):
    """A client that opens no socket. The test chooses the offers that it returns, and sees what it sends.

    Everything else is the client's own code: options, requests, envelopes, cookies, callbacks, awaited calls,
    notifications and on-device decisions. Create it with ``FakeTargetClient.create``. No option is required.

    Each failure ends a call at once: there are no retries and no circuit breaker.
    """

    def __init__(self, options: Optional[Mapping[str, Any]] = None) -> None:
        super().__init__({**_DEFAULTS, **(options or {})})
        self._connect(FakeNetwork(self._settings.client))

    def _connect(self, network: FakeNetwork) -> None:
        self._network = network
        self._processes = network.processes(self._settings, self._events, self._log)
        self._processes.get()

    # Offers

    def show(
        self,
        location: str,
        *,
        html: Optional[str] = None,
        json: Union[Mapping[str, Json], Sequence[Json], None] = None,
        redirect: Optional[str] = None,
        dynamic: Optional[str] = None,
        actions: Optional[Sequence[Mapping[str, Json]]] = None,
        view: bool = False,
        activity: Optional[str] = None,
        experience: str = "A",
    ) -> None:
        """Show an offer to every visitor from now on, in place of an earlier one at the same location.

        Give exactly one content. Clicks on the offer are measured.

        :param location: The name of an mbox, or of a view; ``target-global-mbox`` is the page load.
        :param view: Whether the location is a view.
        :param activity: The name of the activity, which ``offer.activity`` returns.
        :param experience: The name of the experience.
        """
        types = {"html": html, "json": json, "redirect": redirect, "dynamic": dynamic, "actions": actions}
        content = {name: value for name, value in types.items() if value is not None}
        if len(content) != 1:
            expected = "exactly one of html=, json=, redirect=, dynamic= and actions="
            got = " and ".join(f"{name}=" for name in content) or "none of them"
            raise OptionError(invalid(f"No offer for {location!r}", f"expected {expected}, got {got}"))
        self._network.show(location, content, view, name=activity, experience=experience)

    def set_attributes(self, mbox: str, attributes: Mapping[str, Json]) -> None:
        """Show a JSON offer with these attributes, which ``get_attributes`` returns."""
        given: Any = attributes
        if not isinstance(given, Mapping):
            raise OptionError(invalid("Invalid argument 'attributes'", expected="a dict", got=given), "attributes")
        self.show(mbox, json=dict(given))

    def hide(self, location: str) -> None:
        """Stop showing the offers of ``show`` and ``set_attributes`` at a location."""
        self._network.hide(location)

    def load(self, activities: ActivitiesSource) -> None:
        """Decide with activities or a rule artifact from now on.

        ``activities`` is a mapping or the path of a JSON file. Offers of ``show`` take precedence. The message of an
        ``OptionError`` names the place of the mistake.
        """
        self._network.load(activities)

    def force(self, activity: Union[str, int], experience: Union[str, int]) -> ContextManager[object]:
        """Show an experience of a loaded activity to every visitor, whatever its audience and its shares are.

        This lasts until ``reset`` or the end of a ``with`` block. Raises ``OptionError`` for an unknown name.

        :param activity: The name or the id of the activity.
        :param experience: The name or the id of the experience, or its position, counted from 0.
        """
        return self._network.edge.force(None, activity, experience)

    # Failures and delays

    def fail_with(self, error: Failure) -> ContextManager[object]:
        """Fail each request to the edge from now on, until ``fail_with(None)`` or the end of a ``with`` block.

        On-device decisions send no request. ``ArtifactNotAvailable`` makes them fail. With other errors, they succeed,
        but their notifications are lost.

        :param error: A ``DeliveryError`` or its class, or a status from 400 to 599.
        """
        restoring = self._network.fail_with(error)
        if self._network.lacks_artifact and self._settings.decisioning_method is DecisioningMethod.SERVER_SIDE:
            restoring.__exit__(None, None, None)
            problem = "server-side calls never raise ArtifactNotAvailable"
            raise OptionError(invalid("Invalid argument 'error'", problem), "error")
        return restoring

    def slow(self, milliseconds: float) -> ContextManager[object]:
        """Delay each answer of the edge from now on, until ``slow(0)`` or the end of a ``with`` block.

        If the delay is longer than the timeout, the call fails with ``DeadlineExceeded`` at once.
        """
        return self._network.slow(milliseconds)

    def reset(self) -> None:
        """Forget all offers, failures and requests."""
        self._network.flush()
        self._network.reset()

    # Displays, clicks and requests

    @property
    def displayed(self) -> List[str]:
        """The locations of the offers that were executed or reported as displayed, oldest first."""
        self._network.flush()
        return [event.location for event in self._network.edge.displays]

    @property
    def clicked(self) -> List[str]:
        """The locations of the offers that were reported as clicked, oldest first."""
        self._network.flush()
        return [event.location for event in self._network.edge.clicks]

    @property
    def requests(self) -> List[DeliveryRequest]:
        """The requests to the edge so far, oldest first, including those that failed and those with notifications.

        On-device decisions send only notifications.
        """
        self._network.flush()
        return self._network.requests

    # Other clients

    def intercept(self, client: Union[TargetClient, Type[TargetClient]]) -> ContextManager[object]:
        """Answer the calls of another client until the end of a ``with`` block. The client keeps its options.

        Use this method for a client that a module of the application creates. With the class ``TargetClient``, the
        calls of all clients that are created in the block are answered, even after its end.
        """
        given: Any = client
        if given is TargetClient:
            return self._intercepted_creation()
        if not isinstance(given, TargetClient):
            expected = "a TargetClient, or the class TargetClient"
            raise OptionError(invalid("Invalid argument 'client'", expected=expected, got=given), "client", expected)
        return self._intercepted(given)

    @contextlib.contextmanager
    def _intercepted(self, client: TargetClient) -> Iterator[TargetClient]:
        earlier = client._processes
        self._replace_network_of(client)
        try:
            yield client
        finally:
            replaced, client._processes = client._processes.current(), earlier
            if replaced is not None:
                replaced.close(FLUSH_TIMEOUT)
                self._network.disconnect(replaced)

    @contextlib.contextmanager
    def _intercepted_creation(self) -> Iterator[None]:
        cls: Any = TargetClient
        original = cls.__init__

        def create(client: TargetClient, options: Optional[Mapping[str, Any]] = None) -> None:
            original(client, options)
            if not isinstance(client, FakeTargetClient):
                self._replace_network_of(client)

        cls.__init__ = create
        try:
            yield
        finally:
            cls.__init__ = original

    def _replace_network_of(self, client: TargetClient) -> None:
        settings = client._settings._replace(telemetry_enabled=False)
        self._network.use_code(settings.client)
        client._processes = self._network.processes(settings, client._events, client._log)

    def __repr__(self) -> str:
        """Include the locations with offers and the requested ones, because pytest shows this text if a test fails."""
        text = super().__repr__().replace(TargetClient.__name__, type(self).__name__, 1)[:-1]
        for name, locations in (("shown", self._network.shown), ("requested", self._network.requested)):
            if locations:
                text += f"; {name}: {', '.join(map(repr, locations))}"
        return text + ">"

    def __getstate__(self) -> NoReturn:
        raise TypeError("a FakeTargetClient cannot be pickled, because another process would not see its offers")

    def __copy__(self) -> "FakeTargetClient":
        copied = type(self)(self._options)
        copied._connect(self._network)
        return copied

    def __deepcopy__(self, memo: Dict[int, Any]) -> "FakeTargetClient":
        return self.__copy__()
