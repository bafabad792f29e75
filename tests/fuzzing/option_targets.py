"""Targets for URLs and hosts in options and in the environment: each is valid, or raises the documented error.

The error is ``ValueError`` for a proxy, and ``OptionError`` otherwise.
"""

import re
from typing import Optional, Tuple, cast

from urllib3.util import parse_url as urllib3_parse_url

from target_python_sdk.artifact.location import parse_url
from target_python_sdk.delivery import option_parsers as parse
from target_python_sdk.errors import OptionError
from target_tools.http.messages import Origin
from target_tools.http.proxies import is_exempt, parse_proxy
from tests.fuzzing.calls import text_of

_TARGET = re.compile(r"/[!-~]*")


def check_option_url(data: bytes) -> None:
    """Check a text as a host, as the URL of an artifact, as the URL of a proxy, and as the value of NO_PROXY."""
    text = text_of(data)
    _check_server_domain(text)
    _check_artifact_url(text)
    _check_proxy(text)
    for host in ("shop.example", "192.0.2.1", "::1", text):
        assert is_exempt(Origin("https", host, 443), text) in (True, False)


def _check_origin(origin: Origin) -> None:
    """Check that urllib3, which opens the connection, finds the same host and port in the URL of an origin."""
    url = urllib3_parse_url(f"{origin.scheme}://{origin.netloc}/")
    assert (url.host or "").strip("[]") == origin.host.lower(), (url.host, origin)
    assert url.port == origin.port, (url.port, origin)
    assert 0 < origin.port < 65536, origin


def _check_server_domain(text: str) -> None:
    try:
        host, port = cast("Tuple[str, Optional[int]]", parse.domain("server_domain", text))
    except OptionError as error:
        assert str(error).isprintable(), error
        return
    _check_origin(Origin("https", host, port or 443))


def _check_artifact_url(text: str) -> None:
    try:
        url = parse_url(text, "artifact_location")
    except OptionError as error:
        assert str(error).isprintable(), error
        return
    if url.is_file:
        return
    _check_origin(url.origin)
    assert _TARGET.fullmatch(url.target), url.target
    assert url.redacted.startswith(str(url.origin)), url.redacted
    if url.credentials:
        url.credentials.encode("utf-8")


def _check_proxy(text: str) -> None:
    try:
        proxy = parse_proxy(text)
    except ValueError:
        return
    _check_origin(Origin("https", proxy.host, proxy.port))
    assert all(value.isprintable() for value in proxy.all_headers().values()), "a header with a line break"
    url = urllib3_parse_url(proxy.url)
    assert ((url.host or "").strip("[]"), url.port) == (proxy.host, proxy.port), (url, proxy)
    assert "@" not in repr(proxy), "credentials in the repr"
