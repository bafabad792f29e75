"""1.1.0's exceptions; what is raised today is these or classes of :mod:`target_python_sdk.errors` below them."""

from target_tools.errors import (
    ApiException,
    ApiKeyError,
    ApiTypeError,
    ApiValueError,
    OpenApiException,
    render_path,
)

__all__ = ["ApiException", "ApiKeyError", "ApiTypeError", "ApiValueError", "OpenApiException", "render_path"]
