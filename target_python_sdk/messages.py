"""1.1.0's dict of error texts."""

from typing import Dict

from target_python_sdk.delivery import messages
from target_tools.enums import DecisioningMethod

MESSAGES: Dict[str, str] = {
    "PRIVATE_CONSTRUCTOR": messages.PRIVATE_CONSTRUCTOR,
    "ORG_ID_REQUIRED": messages.ORG_ID_REQUIRED,
    "DECISIONING_METHOD_INVALID": messages.DECISIONING_METHOD_INVALID.format(
        ",".join(method.value for method in DecisioningMethod)
    ),
    "FETCH_API_REQUIRED": "Fetch API is required",
    "REQUEST_REQUIRED": messages.REQUEST_REQUIRED,
    "EXECUTE_FIELDS_REQUIRED": messages.EXECUTE_FIELDS_REQUIRED,
    "PREFETCH_FIELDS_REQUIRED": messages.PREFETCH_FIELDS_REQUIRED,
    "NOTIFICATIONS_REQUIRED": messages.NOTIFICATIONS_REQUIRED,
    "MBOX_INVALID": messages.MBOX_INVALID,
    "NOTIFICATION_INVALID": messages.NOTIFICATION_INVALID,
    "CLIENT_REQUIRED": messages.CLIENT_REQUIRED,
    "OPTIONS_REQUIRED": messages.OPTIONS_REQUIRED,
    "REQUEST_SENT": "Request sent",
    "RESPONSE_RECEIVED": "Response received",
    "FETCH_UNDEFINED": "Fetch is not defined!",
    "DECISIONING_ENGINE_UNDEFINED": "Decisioning Engine is undefined",
    "LOCATION_HINT_REQUEST_FAILED": "Unable to retrieve location hint cookie.",
    "INVALID_CALLBACK": messages.INVALID_CALLBACK,
}
