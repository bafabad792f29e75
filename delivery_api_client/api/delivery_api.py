"""The one call of the Delivery API, as 1.1.0's generated client had it."""

from typing import Any, Dict, Optional

from delivery_api_client.api_client import ApiClient
from delivery_api_client.replacements import WATCHED
from target_python_sdk.protocol import DELIVERY_PATH
from target_tools.errors import ApiTypeError, ApiValueError

#: What :meth:`DeliveryApi.execute` takes by keyword, besides its arguments.
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
    """Asks the edge.  ``TargetClient`` does so with sessions, cookies, retries and decisions made here."""

    def __init__(self, api_client: Optional[ApiClient] = None) -> None:
        self.api_client = ApiClient() if api_client is None else api_client

    def execute(self, ims_org_id: str, session_id: str, delivery_request: Any, **kwargs: Any) -> Any:
        """The ``DeliveryResponse``.

        Keywords: ``version`` of the caller; ``headers`` to send besides; ``async_req=True``,
        with ``callback`` and ``err_callback``, for an
        :class:`~target_tools.concurrency.async_result.AsyncResult` at once;
        ``_request_timeout`` in seconds for the whole call; ``_preload_content=False`` for a urllib3
        response; ``_request_auth`` for a security scheme of the caller's.
        """
        return self.execute_with_http_info(
            ims_org_id, session_id, delivery_request, **{**kwargs, "_return_http_data_only": True}
        )

    def execute_with_http_info(self, ims_org_id: str, session_id: str, delivery_request: Any, **kwargs: Any) -> Any:
        """``(DeliveryResponse, status, headers)``, by the same arguments."""
        for name in kwargs:
            if name not in KEYWORDS:
                raise ApiTypeError("Got an unexpected keyword argument '{}' to method execute".format(name))
        required = {"ims_org_id": ims_org_id, "session_id": session_id, "delivery_request": delivery_request}
        if self.api_client.client_side_validation:
            _check_given(required)
        query = {"imsOrgId": ims_org_id, "sessionId": session_id, "version": kwargs.get("version")}
        return self.api_client.call_api(
            DELIVERY_PATH,
            "POST",
            query_params=[(name, value) for name, value in query.items() if value is not None],
            header_params={
                **(kwargs.get("headers") or {}),
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
            body=delivery_request,
            response_types_map={200: "DeliveryResponse"},
            auth_settings=[],
            async_req=kwargs.get("async_req"),
            _return_http_data_only=kwargs.get("_return_http_data_only"),
            _preload_content=kwargs.get("_preload_content", True),
            _request_timeout=kwargs.get("_request_timeout"),
            _request_auth=kwargs.get("_request_auth"),
            callback=kwargs.get("callback"),
            err_callback=kwargs.get("err_callback"),
        )


def _check_given(required: Dict[str, Any]) -> None:
    for name, value in required.items():
        if value is None:
            raise ApiValueError("Missing the required parameter `{}` when calling `execute`".format(name))


WATCHED.watch(DeliveryApi, "execute", "execute_with_http_info")
