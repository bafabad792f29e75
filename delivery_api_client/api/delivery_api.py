"""1.1.0's class for the one call of the Delivery API."""

from typing import Any, Mapping, Optional, Union

from delivery_api_client.api_client import ApiClient
from delivery_api_client.replacements import WATCHED
from target_python_sdk.protocol import DELIVERY_PATH
from target_python_sdk.types import DeliveryRequest
from target_tools.errors import ApiTypeError, ApiValueError

#: The model, or its JSON object.
Request = Union[DeliveryRequest, Mapping[str, Any]]
#: Further keyword arguments of :meth:`DeliveryApi.execute`.
KEYWORDS = frozenset(
    {
        "version",
        "async_req",
        "callback",
        "err_callback",
        "headers",
        "_return_http_data_only",
        "_preload_content",
        "_request_timeout",
        "_request_auth",
    }
)


class DeliveryApi:
    """Sends delivery requests to the edge, without the sessions, cookies and retries of ``TargetClient``."""

    def __init__(self, api_client: Optional[ApiClient] = None) -> None:
        self.api_client = ApiClient() if api_client is None else api_client

    def execute(self, ims_org_id: str, session_id: str, delivery_request: Request, **kwargs: Any) -> Any:
        """Send a request and return its ``DeliveryResponse``.

        :param version: The caller's version.
        :param headers: Additional headers.
        :param async_req: If True, return an :class:`~target_tools.concurrency.tasks.AsyncResult` at once, and
            call ``callback`` or ``err_callback`` later.
        :param _request_timeout: Seconds for the whole call.
        :param _preload_content: If False, return a urllib3 response.
        :param _request_auth: A security scheme for this call.
        """
        return self.execute_with_http_info(
            ims_org_id, session_id, delivery_request, **{**kwargs, "_return_http_data_only": True}
        )

    def execute_with_http_info(self, ims_org_id: str, session_id: str, delivery_request: Request, **kwargs: Any) -> Any:
        """Send a request and return ``(DeliveryResponse, status, headers)``. Takes the arguments of ``execute``."""
        for name in kwargs:
            if name not in KEYWORDS:
                raise ApiTypeError(f"Got an unexpected keyword argument '{name}' to method execute")
        required = {"ims_org_id": ims_org_id, "session_id": session_id, "delivery_request": delivery_request}
        missing = [name for name, value in required.items() if value is None]
        if missing and self.api_client.client_side_validation:
            raise ApiValueError(f"Missing the required parameter `{missing[0]}` when calling `execute`")
        headers, version = kwargs.pop("headers", None) or {}, kwargs.pop("version", None)
        query = {"imsOrgId": ims_org_id, "sessionId": session_id, "version": version}
        return self.api_client.call_api(
            DELIVERY_PATH,
            "POST",
            query_params=[(name, value) for name, value in query.items() if value is not None],
            header_params={**headers, "Accept": "application/json", "Content-Type": "application/json"},
            body=delivery_request,
            response_types_map={200: "DeliveryResponse"},
            **kwargs,
        )


WATCHED.watch(DeliveryApi, "execute", "execute_with_http_info")
