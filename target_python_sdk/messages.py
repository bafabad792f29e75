"""1.1.0's dict of error texts."""

from typing import Dict

from target_python_sdk.delivery import legacy_messages as texts
from target_tools.enums import DecisioningMethod

MESSAGES: Dict[str, str] = {
    "PRIVATE_CONSTRUCTOR": texts.PRIVATE_CONSTRUCTOR,
    "ORG_ID_REQUIRED": texts.ORG_ID_REQUIRED,
    "DECISIONING_METHOD_INVALID": texts.DECISIONING_METHOD_INVALID.format(
        ",".join(method.value for method in DecisioningMethod)
    ),
    "FETCH_API_REQUIRED": "Fetch API is required",
    "REQUEST_REQUIRED": texts.REQUEST_REQUIRED,
    "EXECUTE_FIELDS_REQUIRED": texts.EXECUTE_FIELDS_REQUIRED,
    "PREFETCH_FIELDS_REQUIRED": texts.PREFETCH_FIELDS_REQUIRED,
    "NOTIFICATIONS_REQUIRED": texts.NOTIFICATIONS_REQUIRED,
    "MBOX_INVALID": texts.MBOX_INVALID,
    "NOTIFICATION_INVALID": texts.NOTIFICATION_INVALID,
    "CLIENT_REQUIRED": texts.CLIENT_REQUIRED,
    "OPTIONS_REQUIRED": texts.OPTIONS_REQUIRED,
    "REQUEST_SENT": "Request sent",
    "RESPONSE_RECEIVED": "Response received",
    "FETCH_UNDEFINED": "Fetch is not defined!",
    "DECISIONING_ENGINE_UNDEFINED": "Decisioning Engine is undefined",
    "LOCATION_HINT_REQUEST_FAILED": "Unable to retrieve location hint cookie.",
    "INVALID_CALLBACK": texts.INVALID_CALLBACK,
}
