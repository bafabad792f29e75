"""Reports displayed experiences to Adobe Analytics (A4T), for client-side logging.

With ``logging="client_side"``, the application itself tells Analytics which experiences it showed. It requests the URL
that ``data_insertion_url`` returns::

    url = data_insertion_url(answer, "my-report-suite", "metrics.example.com")
    if url:
        requests.get(url, timeout=3)

The URL has the form that Adobe's guide "Analytics for Target (A4T) reporting" gives.
"""

import re
from typing import Iterable, Mapping, Optional
from urllib.parse import quote

from target_python_sdk.delivery.conversion import plain
from target_python_sdk.delivery.option_parsers import domain
from target_python_sdk.types import AnalyticsRequest, AnalyticsResponse, TargetDeliveryResponse
from target_tools.error_text import invalid
from target_tools.errors import OptionError
from target_tools.http.messages import DEFAULT_PORTS, Origin

__all__ = ["data_insertion_url"]

#: The parameters that can identify the visitor: the Experience Cloud id, a custom id and the legacy Analytics id.
VISITOR_PARAMETERS = ("mid", "vid", "aid")
_CODE_VERSION = r"[A-Za-z0-9_.-]{1,100}"
#: Several report suites are separated by commas.
_REPORT_SUITE = rf"{_CODE_VERSION}(?:,{_CODE_VERSION}){{0,20}}"
_EVENT = "tnt"


def data_insertion_url(
    answer: TargetDeliveryResponse,
    report_suite: str,
    tracking_server: Optional[str] = None,
    *,
    details: Optional[Iterable[Optional[AnalyticsResponse]]] = None,
    page_url: Optional[str] = None,
    parameters: Optional[Mapping[str, str]] = None,
    code_version: str = "MOBILE-1.0",
    secure: bool = True,
) -> Optional[str]:
    """Return the URL that reports the displayed experiences of ``answer`` to Analytics when it is requested.

    Return None if there is nothing to report, or if nothing identifies the visitor. If the request has no Experience
    Cloud id, pass the id ``vid`` or ``aid`` in ``parameters``.

    :param answer: The answer of a call with client-side logging.
    :param report_suite: The id of the report suite, or several ids, separated by commas.
    :param tracking_server: The host that collects the data, without a scheme. By default, the one in the request.
    :param details: The payloads to report, for example ``[metric.analytics]`` for a click. By default, those of the
        displays: ``answer.analytics_details``.
    :param page_url: The URL of the page, which Analytics shows in reports.
    :param parameters: Further parameters of Analytics, such as ``{"aid": …}`` or ``{"pageName": …}``.
    :param code_version: The version of the application, which Analytics shows.
    :param secure: Whether the URL begins with ``https``. If False, it begins with ``http``.

    Raises ``OptionError`` for a tracking server that is not a host, and for an invalid report suite or code version.
    """
    origin = _origin(answer, tracking_server, secure)
    suite = _matching("report_suite", _REPORT_SUITE, report_suite)
    version = _matching("code_version", _CODE_VERSION, code_version)
    tnta = _events(answer.analytics_details if details is None else details)
    identity = answer.request.id
    query = {"mid": identity.marketing_cloud_visitor_id, "g": page_url, **(parameters or {})}
    if not tnta or not any(query.get(name) for name in VISITOR_PARAMETERS):
        return None
    session = answer.session_id
    context = f"&c.&a.&target.&sessionId={_encoded(session)}&.target&.a&.c" if session else ""
    others = "".join(f"&{_encoded(name)}={_encoded(value)}" for name, value in query.items() if value)
    return f"{origin}/b/ss/{suite}/0/{version}/0?pe={_EVENT}&tnta={_encoded(tnta)}{context}{others}"


def _origin(answer: TargetDeliveryResponse, given: Optional[str], secure: bool) -> Origin:
    """Return the origin of the server that collects the data: ``given``, else the one in the request."""
    if given is None:
        cloud = answer.request.experience_cloud
        analytics = (cloud.analytics if cloud is not None else None) or AnalyticsRequest()
        given = analytics.tracking_server_secure if secure else analytics.tracking_server
    scheme = "https" if secure else "http"
    host, port = domain("tracking_server", given)
    return Origin(scheme, host, port or DEFAULT_PORTS[scheme])


def _events(details: Optional[Iterable[Optional[AnalyticsResponse]]]) -> str:
    """Return the distinct values of ``tnta`` in ``details``, separated by commas."""
    payloads = [each.payload for each in details or () if each is not None and each.payload is not None]
    events = [event for payload in payloads for event in str(payload.tnta or "").split(",")]
    return ",".join(dict.fromkeys(filter(None, events)))


def _matching(argument: str, pattern: str, value: str) -> str:
    text = plain(value)
    if not isinstance(text, str) or re.fullmatch(pattern, text) is None:
        expected = "letters, digits, '_', '.' and '-'"
        raise OptionError(invalid(f"Invalid argument '{argument}'", expected=expected, got=value), argument, expected)
    return text


def _encoded(value: str) -> str:
    return quote(str(value), safe="", errors="replace")
