"""1.1.0's constants.  Those that the service fixed stand in :mod:`target_python_sdk.protocol`."""

from typing import TYPE_CHECKING, Any

from target_python_sdk import protocol as service

if TYPE_CHECKING:
    from target_python_sdk.types import DeliveryRequest

    #: A request that asks for nothing.
    EMPTY_REQUEST: DeliveryRequest

DEFAULT_GLOBAL_MBOX = service.DEFAULT_GLOBAL_MBOX
#: How often 1.1.0 asked for an artifact; the ``retries`` of a client say so now.
DEFAULT_NUM_FETCH_RETRIES = 10
DEFAULT_MAXIMUM_WAIT_READY = -1
REQUEST_TYPES = ["prefetch", "execute"]
ENVIRONMENT_PROD = "production"
ENVIRONMENT_STAGE = "staging"
ENVIRONMENT_DEV = "development"
POSSIBLE_ENVIRONMENTS = [ENVIRONMENT_PROD, ENVIRONMENT_STAGE, ENVIRONMENT_DEV]
EMPTY_STRING = ""
MILLISECONDS_IN_SECOND = 1000

if not TYPE_CHECKING:  # a type checker that saw this would believe in every name

    def __getattr__(name: str) -> Any:
        """``EMPTY_REQUEST``, a new one for whoever asks: what is added to it stays with them."""
        if name != "EMPTY_REQUEST":
            raise AttributeError("module {!r} has no attribute {!r}".format(__name__, name))
        from target_python_sdk.types import Context, DeliveryRequest  # noqa: PLC0415 - the others need no types

        return DeliveryRequest(context=Context(channel="web"))
