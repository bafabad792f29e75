"""Constants of 1.1.0. Those that Adobe's service defines are in :mod:`target_python_sdk.protocol`."""

from typing import TYPE_CHECKING, Any

from target_python_sdk import protocol

if TYPE_CHECKING:
    from target_python_sdk.types import DeliveryRequest

    #: A request without mboxes and views.
    EMPTY_REQUEST: DeliveryRequest

DEFAULT_GLOBAL_MBOX = protocol.DEFAULT_GLOBAL_MBOX
#: Number of times that 1.1.0 tried to download an artifact. The client option ``retries`` replaces it.
DEFAULT_NUM_FETCH_RETRIES = 10
DEFAULT_MAXIMUM_WAIT_READY = -1
REQUEST_TYPES = ["prefetch", "execute"]
ENVIRONMENT_PROD = "production"
ENVIRONMENT_STAGE = "staging"
ENVIRONMENT_DEV = "development"
POSSIBLE_ENVIRONMENTS = [ENVIRONMENT_PROD, ENVIRONMENT_STAGE, ENVIRONMENT_DEV]
EMPTY_STRING = ""
MILLISECONDS_IN_SECOND = 1000

if not TYPE_CHECKING:  # a type checker would accept every name

    def __getattr__(name: str) -> Any:
        """Return a new ``EMPTY_REQUEST`` each time, so that code which adds to it shares nothing."""
        if name != "EMPTY_REQUEST":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from target_python_sdk.types import Context, DeliveryRequest  # noqa: PLC0415 - only this name needs the types

        return DeliveryRequest(context=Context(channel="web"))
