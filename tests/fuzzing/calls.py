"""Checks of one call: the request that the SDK would send, and what it returns for a reply."""

import json
import re
import time
from contextlib import contextmanager
from typing import Any, Iterator

from target_python_sdk.delivery.call_options import call_options
from target_python_sdk.delivery.exchange import delivery_request, request_edge
from target_python_sdk.delivery.options import client_settings
from target_python_sdk.delivery.prepare import PreparedRequest, prepare_request
from target_python_sdk.errors import DeliveryError
from target_python_sdk.prepared_call import build_envelope
from target_python_sdk.types import Context, DeliveryRequest, ExecuteRequest, MboxRequest, TargetDeliveryResponse
from target_tools.attributes_provider import AttributesProvider
from target_tools.clock import Deadline
from target_tools.enums import DecisioningMethod
from target_tools.http.messages import HttpRequest, Send
from target_tools.logger import Log

ORGANIZATION = "1234567890@AdobeOrg"
LOG = Log()
SETTINGS = client_settings({"client": "acmeclient", "organization_id": ORGANIZATION}, LOG)
REQUEST = DeliveryRequest(context=Context(channel="web"), execute=ExecuteRequest(mboxes=[MboxRequest(name="home")]))
#: The current time in all checks, in seconds since 1970.
NOW = 1_800_000_000.0
#: CPU seconds that the check of one input may take. Most take less than a millisecond.
MAX_SECONDS = 10.0
#: The limit in bytes below which the body of every request must stay.
MAX_REQUEST = 100_000

#: The hosts that a visitor can choose: the client's own host, and the hosts of clusters.
_HOST = re.compile(r"(?:acmeclient|mboxedge[0-9A-Za-z](?:[0-9A-Za-z-]{0,18}[0-9A-Za-z])?)\.tt\.omtrdc\.net")
_TARGET = re.compile(r"/rest/v1/delivery\?[!-~]{1,2000}")
#: A value of a header or a cookie: printable ASCII.
_PRINTABLE = re.compile(r"[ -~]*")
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*")


@contextmanager
def limited_time() -> Iterator[None]:
    """Fail if the block takes more than ``MAX_SECONDS`` of CPU time."""
    began = time.process_time()
    yield
    assert time.process_time() - began < MAX_SECONDS, "the input takes too much time"


def text_of(data: bytes) -> str:
    """Return ``data`` as text. Bytes that are not UTF-8 become lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def prepared(**options: Any) -> PreparedRequest:
    """Return the prepared request of a call, and check it. The options are those that a visitor controls."""
    found = prepare_request(call_options({"request": REQUEST, **options}, SETTINGS, LOG), SETTINGS, None, LOG)
    check_request(found)
    return found


def check_request(prepared_request: PreparedRequest) -> HttpRequest:
    """Return the HTTP request for the edge. Check its host, its head, and the size of its body."""
    request = delivery_request(prepared_request, SETTINGS)
    assert _HOST.fullmatch(request.origin.host), request.origin
    assert request.origin.port == 443, request.origin
    assert _TARGET.fullmatch(request.target), request.target
    assert all(_PRINTABLE.fullmatch(value) for _, value in request.headers), request.headers
    assert len(request.body) < MAX_REQUEST, len(request.body)
    json.loads(request.body)
    # The client must not remember a cluster that a visitor has chosen.
    assert prepared_request.is_steered or prepared_request.cluster is None, prepared_request.cluster
    return request


def check_cookie(cookie: Any) -> str:
    """Return the value of a cookie that is set on a response. Check that it needs no escapes and is not too long."""
    value: str = cookie["value"]
    assert _COOKIE_VALUE.fullmatch(value), value
    assert len(value) < 4096, len(value)
    return value


def check_call(send: Send) -> bool:
    """Return whether ``send`` returns a usable reply. Check the result of the call, or its error."""
    call = prepare_request(call_options({"request": REQUEST}, SETTINGS, LOG), SETTINGS, None, LOG)
    try:
        response = request_edge(call, delivery_request(call, SETTINGS), send, Deadline.after(60)).response
        envelope = build_envelope(call, response, DecisioningMethod.SERVER_SIDE)
    except DeliveryError as error:
        assert all(map(_PRINTABLE.fullmatch, str(error).split("\n"))), error
        return False
    assert isinstance(envelope, TargetDeliveryResponse)
    check_cookie(envelope["target_cookie"])
    if envelope.get("target_location_hint_cookie"):
        check_cookie(envelope["target_location_hint_cookie"])
    json.dumps(envelope["response"].to_dict(by_alias=True, exclude_none=True))
    repr(envelope["response"])
    AttributesProvider(envelope).as_object()
    assert "<" not in envelope.server_state()
    return True
