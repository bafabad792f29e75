"""Everything this SDK raises, where users look for it.  The tree is drawn in :mod:`target_tools.errors`."""

from target_tools.errors import (
    ApiException,
    AttributeNotFound,
    CircuitOpen,
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    DeliveryError,
    HttpStatusError,
    InvalidResponse,
    NotAvailable,
    OptionError,
    RedirectRefused,
    ResponseTooLarge,
    TargetError,
    TlsError,
)

__all__ = [
    "ApiException",
    "AttributeNotFound",
    "CircuitOpen",
    "ClientClosed",
    "ConnectionFailed",
    "DeadlineExceeded",
    "DeliveryError",
    "HttpStatusError",
    "InvalidResponse",
    "NotAvailable",
    "OptionError",
    "RedirectRefused",
    "ResponseTooLarge",
    "TargetError",
    "TlsError",
]
