"""Decides which requests the local edge answers, so that pages of other origins can neither read nor use it.

Any page in a developer's browser can send requests to this machine. The browser sends the
page's origin with them. In a DNS rebinding attack, a host name of the attacker resolves to
this machine, and requests have this name in the header ``Host``. See ``SECURITY.md``.
"""

import ipaddress
import re
from typing import Dict, Iterable, Mapping, NamedTuple, Optional

from target_python_sdk.local_edge.validation import check_text, error_at

#: The addresses that stand for all interfaces.
WILDCARDS = ("", "0.0.0.0", "::")
#: The page for browsers. It is the only page that a link of another origin may open.
START_PAGE = "/"
_HOST = re.compile(r"(?P<name>\[[\da-f:.]+\]|[^\s:/?#@\[\]]+)(?::\d{0,5})?", re.IGNORECASE)
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z\d+.-]*)://(?P<host>[^\s/?#@,]+)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Refusal(NamedTuple):
    """The reason why a request is refused, and the status of the reply."""

    status: int
    problem: str


class AccessPolicy:
    """The hosts that an edge accepts in requests, and the origins whose pages may use it.

    :param host: The address that the edge listens on.
    :param origins: The origins of pages that may use the edge, such as ``http://localhost:3000``.
    """

    def __init__(self, host: str, origins: Iterable[str] = ()) -> None:
        if isinstance(origins, str):
            raise error_at("origins", "a list of origins", origins)
        self.origins = frozenset(_parse_origin(origin, index) for index, origin in enumerate(origins))
        self._accepts_addresses = host in WILDCARDS
        hosts = [bracketed(host), *(origin.partition("://")[2] for origin in self.origins)]
        self._names = frozenset(filter(None, map(_host_name, hosts)))

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> Optional[Refusal]:
        """Return why a request is refused, or None if it is not. The names of ``headers`` are in lower case."""
        host = headers.get("host")
        if host is None:
            return Refusal(400, "the header Host is missing")
        if not self._is_own_host(host):
            hint = "the edge answers on loopback addresses, on its own host, and on the hosts of its origins"
            return Refusal(403, f"unknown host {host[:100]!r}: {hint}")
        origin = headers.get("origin")
        if origin is None:
            site = headers.get("sec-fetch-site", "none")
            is_link = path == START_PAGE and method == "GET" and headers.get("sec-fetch-dest") == "document"
            if site in ("none", "same-origin") or is_link:
                return None
            return Refusal(403, "requests without an Origin from pages of other sites are refused")
        if origin in self.origins or origin.lower() == f"http://{host.lower()}":
            return None
        return Refusal(403, f"foreign origin {origin[:100]!r}: name it with --origin or origins=[...]")

    def cors_headers(self, headers: Mapping[str, str]) -> Dict[str, str]:
        """Return the headers that let a page of one of ``origins`` read a reply."""
        origin = headers.get("origin", "")
        if origin not in self.origins:
            return {"Vary": "Origin"} if self.origins else {}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "ETag",
        }

    def preflight_headers(self, method: str, headers: Mapping[str, str]) -> Optional[Dict[str, str]]:
        """Return the headers of the reply to a preflight request from one of ``origins``; None for other requests."""
        requested = headers.get("access-control-request-method")
        if method != "OPTIONS" or requested is None or headers.get("origin") not in self.origins:
            return None
        answer = {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": headers.get("access-control-request-headers", ""),
            "Access-Control-Max-Age": "600",
            "Access-Control-Allow-Private-Network": headers.get("access-control-request-private-network", ""),
        }
        return {name: value for name, value in answer.items() if value}

    def _is_own_host(self, host: str) -> bool:
        name = _host_name(host)
        if name == "localhost" or name.endswith(".localhost") or name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # The host of an attacker's page is a name, not an IP address.
        return address.is_loopback or self._accepts_addresses


def bracketed(host: str) -> str:
    """Return a host as it is written in URLs: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _host_name(host: str) -> str:
    """Return the host of ``host:port`` in lower case, without brackets and trailing dot; empty if it is invalid."""
    found = _HOST.fullmatch(host)
    return found["name"].strip("[]").rstrip(".").lower() if found else ""


def _parse_origin(origin: str, index: int) -> str:
    """Return an origin as browsers send it. Raises ``OptionError``."""
    place = f"origins[{index}]"
    found = _ORIGIN.fullmatch(check_text(origin, place))
    if found is None or not _host_name(found["host"]):
        raise error_at(place, "an origin such as 'http://localhost:3000'", origin)
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = _DEFAULT_PORTS.get(scheme)
    return f"{scheme}://{host[: -len(port)] if port and host.endswith(port) else host}"
