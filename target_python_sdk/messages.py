"""1.1.0's dict of error texts."""

from typing import Dict

from target_python_sdk.delivery import legacy_messages as texts
from target_tools.enums import DecisioningMethod

#: The texts of errors that ``TargetClient`` raises, and those that only 1.1.0 used.
MESSAGES: Dict[str, str] = {
    # Without DECISIONING_ENGINE_NOT_READY, which 1.1.0 had in target_tools.messages.
    **{name: text for name, text in vars(texts).items() if name.isupper() and name != "DECISIONING_ENGINE_NOT_READY"},
    "DECISIONING_METHOD_INVALID": texts.DECISIONING_METHOD_INVALID.format(
        ",".join(method.value for method in DecisioningMethod)
    ),
    "FETCH_API_REQUIRED": "Fetch API is required",
    "REQUEST_SENT": "Request sent",
    "RESPONSE_RECEIVED": "Response received",
    "FETCH_UNDEFINED": "Fetch is not defined!",
    "DECISIONING_ENGINE_UNDEFINED": "Decisioning Engine is undefined",
    "LOCATION_HINT_REQUEST_FAILED": "Unable to retrieve location hint cookie.",
}
