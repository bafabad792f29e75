"""Calls the function with which a test has replaced 1.1.0's ``DeliveryApi.execute`` or ``ApiClient.request``.

1.1.0 sent every call through these methods, so tests of applications patch them. This package does not
import ``delivery_api_client``; that package sets ``REPLACEMENTS.find`` when its ``api_client`` is imported.
"""

from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit

from target_python_sdk.offers import offers_of
from target_tools.clock import Deadline
from target_tools.errors import ApiException, DeliveryError, HttpStatusError, TransportError
from target_tools.http.messages import HttpRequest

if TYPE_CHECKING:
    from target_python_sdk.delivery.prepare import PreparedRequest
    from target_python_sdk.types import DeliveryRequest, DeliveryResponse


class ReplacedCall(NamedTuple):
    """The arguments of one call of ``DeliveryApi.execute``, and the values that an ``ApiClient`` needs to send it."""

    ims_org_id: str
    session_id: str
    delivery_request: "DeliveryRequest"
    version: Optional[str]
    #: Scheme and host of the edge.
    host: str
    #: Seconds that the call may take.
    timeout: float


class Replacements:
    """The registry in which ``delivery_api_client`` registers itself."""

    #: Returns a function that makes a call with the replaced method; None if no method is replaced.
    find: Optional[Callable[[], Optional[Callable[[ReplacedCall], Any]]]] = None


REPLACEMENTS = Replacements()


def replaced_response(
    prepared: "PreparedRequest", request: HttpRequest, deadline: Deadline
) -> "Optional[DeliveryResponse]":
    """Return the response of a replaced method; None if no method is replaced.

    The response is what the method returned: a ``DeliveryResponse``, or a double with its attributes.
    A ``DeliveryError`` that the method raises, and an exception of a signal handler, are raised unchanged. Another
    ``ApiException`` becomes an ``HttpStatusError``, which is an ``ApiException``. Any other exception, and a response
    that cannot be read, become a ``TransportError``.
    """
    find = REPLACEMENTS.find
    call = None if find is None else find()
    return None if call is None else _response(call, _replaced_call(prepared, request, deadline))


def _replaced_call(prepared: "PreparedRequest", request: HttpRequest, deadline: Deadline) -> ReplacedCall:
    query = parse_qs(urlsplit(request.target).query)
    return ReplacedCall(
        ims_org_id=query["imsOrgId"][0],
        session_id=prepared.session_id,
        delivery_request=prepared.request,
        version=query["version"][0] if "version" in query else None,
        host=f"{request.origin.scheme}://{request.origin.host_header}",
        timeout=max(0.001, deadline.remaining()),
    )


def _response(call: Callable[[ReplacedCall], Any], arguments: ReplacedCall) -> "DeliveryResponse":
    from target_tools.foreign_errors import is_foreign  # noqa: PLC0415 - only tests need it

    try:
        response: DeliveryResponse = call(arguments)
    except DeliveryError:
        raise
    except ApiException as error:
        raise _status_error(error) from error
    except Exception as error:
        if is_foreign(error):
            raise
        raise TransportError(f"the replacement of DeliveryApi raised {type(error).__name__}") from error
    try:
        _ = response.id, response.edge_host, [offer.options for offer in offers_of(response)]
    except Exception as error:
        kind = type(response).__name__
        raise TransportError(f"the replacement of DeliveryApi returned {kind}, expected a DeliveryResponse") from error
    return response


def _status_error(error: ApiException) -> HttpStatusError:
    status = error.status if isinstance(error.status, int) else 0
    headers = error.headers if isinstance(error.headers, Mapping) else {}
    return HttpStatusError(status, str(error.reason or ""), headers, str(error.body or ""))
