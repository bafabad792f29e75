"""1.1.0's checks of options. Each returns an error text, or None if the options are valid.

``TargetClient`` checks more, and raises ``OptionError``.
"""

from typing import Any, Callable, Mapping, Optional

from target_python_sdk.delivery import legacy_messages as texts
from target_python_sdk.delivery.call_options import check_notifications, check_parts
from target_python_sdk.delivery.option_parsers import decisioning_method
from target_python_sdk.types import DeliveryRequest
from target_tools.errors import OptionError


def validate_client_options(options: Optional[Mapping[str, Any]]) -> Optional[str]:
    """Check the options of a client."""
    if not options:
        return texts.OPTIONS_REQUIRED
    if not options.get("client"):
        return texts.CLIENT_REQUIRED
    if not options.get("organization_id"):
        return texts.ORG_ID_REQUIRED
    method = options.get("decisioning_method")
    return _error_text_of(lambda: decisioning_method("decisioning_method", method)) if method else None


def validate_get_offers_options(options: Optional[Mapping[str, Any]]) -> Optional[str]:
    """Check the options of ``get_offers``."""
    return _validate_call(options, check_parts)


def validate_send_notifications_options(options: Optional[Mapping[str, Any]]) -> Optional[str]:
    """Check the options of ``send_notifications``."""
    return _validate_call(options, check_notifications)


def _validate_call(options: Optional[Mapping[str, Any]], check: Callable[[DeliveryRequest], None]) -> Optional[str]:
    if not options:
        return texts.OPTIONS_REQUIRED
    request, callback = options.get("request"), options.get("callback")
    if not isinstance(request, DeliveryRequest):
        return texts.REQUEST_REQUIRED
    error_text = _error_text_of(lambda: check(request))
    if error_text is None and callback is not None and not callable(callback):
        return texts.INVALID_CALLBACK
    return error_text


def _error_text_of(check: Callable[[], object]) -> Optional[str]:
    try:
        check()
    except OptionError as error:
        return str(error)
    return None
