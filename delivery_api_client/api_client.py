"""1.1.0's generic client: sends calls through the SDK's transport and converts values to JSON and back."""

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union
from urllib.parse import quote

from delivery_api_client.configuration import Configuration
from delivery_api_client.http_request import USER_AGENT, Body, Headers, Pairs, Timeout, pairs_of, seconds
from delivery_api_client.replacements import WATCHED
from delivery_api_client.rest import RESTClientObject, RESTResponse
from delivery_api_client.wire_values import TypeName, empty_value, parse_body, to_json_value
from target_tools.clock import Deadline
from target_tools.concurrency.lock_free import PerProcess
from target_tools.errors import ApiValueError, DeadlineExceeded, InvalidResponse
from target_tools.logger import Log

if TYPE_CHECKING:
    from delivery_api_client.pool import Pool
    from target_tools.concurrency.tasks import AsyncResult
    from target_tools.schema.model import Model

#: The types of the answers, by status.
ResponseTypes = Mapping[int, Optional[TypeName]]
#: The separators of list parameters, by collection format.
SEPARATORS = {"csv": ",", "ssv": " ", "tsv": "\t", "pipes": "|"}


class ApiClient:
    """Sends calls to one host. Safe to use from several threads.

    Opens connections and starts workers on first use, separately in each process. Close it with :meth:`close` or
    ``with``. At most ``pool_threads`` calls with ``async_req`` run at the same time.
    """

    #: The latest response, of any thread.
    last_response: Optional[Any] = None

    def __init__(
        self,
        configuration: Optional[Configuration] = None,
        header_name: Optional[str] = None,
        header_value: Optional[str] = None,
        cookie: Optional[str] = None,
        pool_threads: int = 1,
    ) -> None:
        self.configuration = Configuration() if configuration is None else configuration
        self.pool_threads = pool_threads
        #: The headers of every call. They override the headers that a call passes.
        self.default_headers: Dict[str, str] = {"User-Agent": USER_AGENT}
        if header_name is not None and header_value is not None:
            self.default_headers[header_name] = header_value
        self.cookie = cookie
        #: Whether calls with missing arguments raise before anything is sent.
        self.client_side_validation: Optional[bool] = None
        log = Log(self.configuration.logger["package_logger"])
        self._pools = PerProcess(lambda _: _create_pool(pool_threads, log))
        self.rest_client = RESTClientObject(self.configuration)

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for calls with ``async_req`` and close the connections. A later call opens new ones."""
        pool = self._pools.pop()
        if pool is not None:
            pool.close()
            pool.join()
        self.rest_client.close()

    @property
    def pool(self) -> "Pool":
        """The worker pool of this process."""
        return self._pools.get()

    @property
    def user_agent(self) -> str:
        """The User-Agent header of every call."""
        return self.default_headers["User-Agent"]

    @user_agent.setter
    def user_agent(self, value: str) -> None:
        self.default_headers["User-Agent"] = value

    def set_default_header(self, header_name: str, header_value: str) -> None:
        """Add a header to every call."""
        self.default_headers[header_name] = header_value

    def call_api(  # noqa: PLR0917 - 1.1.0's order
        self,
        resource_path: str,
        method: str,
        path_params: Pairs = None,
        query_params: Pairs = None,
        header_params: Headers = None,
        body: Union[Body, "Model"] = None,
        post_params: Pairs = None,
        files: None = None,
        response_types_map: Optional[ResponseTypes] = None,
        auth_settings: Optional[Sequence[str]] = None,
        async_req: Optional[bool] = None,
        _return_http_data_only: Optional[bool] = None,
        collection_formats: Optional[Mapping[str, str]] = None,
        _preload_content: bool = True,
        _request_timeout: Timeout = None,
        _host: Optional[str] = None,
        _request_auth: Optional[Mapping[str, Any]] = None,
        callback: Optional[Callable[[Any], object]] = None,
        err_callback: Optional[Callable[[Any], object]] = None,
    ) -> "Union[Any, AsyncResult[Any]]":
        """Make a call and return ``(data, status, headers)``, or ``data`` alone; with ``async_req`` an ``AsyncResult``.

        With ``async_req``, this method raises errors about values that cannot be sent and about invalid time limits.
        The ``AsyncResult`` raises the errors of the request and its response.
        """
        if files:
            raise ApiValueError("files cannot be sent: the Delivery API accepts none")
        formats = collection_formats or {}
        headers: Dict[str, Any] = {**(header_params or {}), **self.default_headers}
        if self.cookie:
            headers["Cookie"] = self.cookie
        query = self.parameters_to_tuples(to_json_value(query_params or []), formats)
        self.update_params_for_auth(headers, query, auth_settings, _request_auth)
        url = (_host or self.configuration.host).rstrip("/") + self._path(resource_path, path_params, formats)
        content: Dict[str, Any] = {
            "query_params": query,
            "headers": to_json_value(headers),
            "post_params": self.parameters_to_tuples(to_json_value(post_params), formats),
            "body": to_json_value(body),
        }
        options: Dict[str, Any] = {"_preload_content": _preload_content, "_request_timeout": _request_timeout}
        send = partial(self.request, method, url, **content, **options)
        types = response_types_map or {}
        call = partial(self._call, send, seconds(_request_timeout), types, _preload_content, _return_http_data_only)
        if async_req:  # a callback alone does not make a call asynchronous, as in 1.1.0
            return self.pool.apply_async(call, (), {}, callback, err_callback)
        return call()

    def request(  # noqa: PLR0917 - 1.1.0's order
        self,
        method: str,
        url: str,
        query_params: Pairs = None,
        headers: Headers = None,
        post_params: Pairs = None,
        body: Body = None,
        _preload_content: bool = True,
        _request_timeout: Timeout = None,
    ) -> Any:
        """Send a request to ``url`` and return its response."""
        return self.rest_client.request(
            method, url, query_params, headers, body, post_params, _preload_content, _request_timeout
        )

    def sanitize_for_serialization(self, obj: Any) -> Any:
        """Convert ``obj`` to JSON values. Models lose their unset fields; datetimes become text."""
        return to_json_value(obj)

    def deserialize(self, response: Any, response_type: Optional[TypeName]) -> Any:
        """Parse the JSON in ``response.data`` as a value of ``response_type``.

        Types are named as in ``openapi_types``: ``DeliveryResponse``, ``list[View]``, ``dict(str, int)``.
        Unknown keys are ignored. Raises ``InvalidResponse`` for the wrong structure.
        """
        return parse_body(response.data, "object" if response_type is None else response_type)

    def parameters_to_tuples(
        self, params: Pairs, collection_formats: Optional[Mapping[str, str]] = None
    ) -> List[Tuple[str, Any]]:
        """Return parameters as pairs. ``collection_formats`` gives the format of each list, by parameter name."""
        pairs: List[Tuple[str, Any]] = []
        for name, value in pairs_of(params):
            style = (collection_formats or {}).get(name)
            if style == "multi":
                pairs += [(name, item) for item in value]
            elif style is not None:
                pairs.append((name, SEPARATORS.get(style, ",").join(map(str, value))))
            else:
                pairs.append((name, value))
        return pairs

    def select_header_accept(self, accepts: Sequence[str]) -> Optional[str]:
        """Return the Accept header: JSON if it is among the types, else all of them."""
        types = [accept.lower() for accept in accepts]
        return None if not types else "application/json" if "application/json" in types else ", ".join(types)

    def select_header_content_type(self, content_types: Sequence[str]) -> str:
        """Return the Content-Type header: JSON if the server accepts it, else the first type."""
        types = [content_type.lower() for content_type in content_types]
        is_json = not types or "application/json" in types or "*/*" in types
        return "application/json" if is_json else types[0]

    def update_params_for_auth(
        self,
        headers: Dict[str, Any],
        querys: List[Tuple[str, Any]],
        auth_settings: Optional[Sequence[str]],
        request_auth: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Add the credentials of the named security schemes, or of ``request_auth``, to headers and query."""
        known = self.configuration.auth_settings() if auth_settings else {}
        schemes = [known[name] for name in auth_settings or () if name in known]
        for scheme in [request_auth] if request_auth else schemes:
            if scheme["in"] == "cookie":
                headers["Cookie"] = scheme["value"]
            elif scheme["in"] == "header":
                headers[scheme["key"]] = scheme["value"]
            elif scheme["in"] == "query":
                querys.append((scheme["key"], scheme["value"]))
            else:
                raise ApiValueError("Authentication token must be in `query` or `header`")

    def _path(self, resource_path: str, path_params: Pairs, formats: Mapping[str, str]) -> str:
        safe = self.configuration.safe_chars_for_path_param
        for name, value in self.parameters_to_tuples(to_json_value(path_params), formats):
            resource_path = resource_path.replace("{%s}" % name, quote(str(value), safe))
        return resource_path

    def _call(
        self, send: Callable[[], Any], timeout: float, types: ResponseTypes, preload: bool, data_only: Optional[bool]
    ) -> Any:
        """Return the result of a call. Runs in the calling thread or in a worker."""
        deadline = Deadline.after(timeout)
        response = self.last_response = send()
        if not preload:
            return response
        body = response.urllib3_response.data if isinstance(response, RESTResponse) else response.data
        data = _data_of(response.status, body, types)
        if deadline.remaining() <= 0:  # parsing a large answer may exceed the time limit
            raise DeadlineExceeded(f"the answer was not read within {timeout * 1000:.0f} ms")
        return data if data_only else (data, response.status, response.getheaders())


def _data_of(status: int, body: Union[str, bytes], types: ResponseTypes) -> Any:
    """Return the value in the body. A 2xx status that is not in the schema is treated as 200."""
    type_name = types.get(status, types.get(200))
    if type_name is None:
        return None
    if not body and status != 200:
        return empty_value(type_name)
    data = parse_body(body, type_name)
    if data is None:
        raise InvalidResponse("the answer is null; expected a value")
    return data


def _create_pool(threads: int, log: Log) -> "Pool":
    from delivery_api_client.pool import Pool  # noqa: PLC0415 - only calls with ``async_req`` need it

    return Pool(threads, log)


WATCHED.watch(ApiClient, "call_api", "request")
