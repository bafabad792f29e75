"""1.1.0's exceptions. Those of :mod:`target_python_sdk.errors` derive from them."""

from target_tools.errors import (
    ApiException,
    ApiKeyError,
    ApiTypeError,
    ApiValueError,
    OpenApiException,
    render_path,
)

__all__ = ["ApiException", "ApiKeyError", "ApiTypeError", "ApiValueError", "OpenApiException", "render_path"]
