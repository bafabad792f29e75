"""The headers that a visit adds to the response of the application: cookies, caching rules, ``Accept-CH``."""

import re
from typing import Any, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from target_python_sdk.delivery.option_parsers import reject
from target_python_sdk.offers import check_same_site
from target_tools.logger import Log
from target_tools.typing_compat import Json

Header = Tuple[str, str]
#: The value of a cookie, and its maximum age in seconds.
CookieValue = Tuple[str, int]

_LOG = Log()
#: Maximum length of a cookie's value; browsers drop longer cookies.
_MAX_COOKIE_LENGTH = 4096
#: A cookie value without characters that would end the value or the header.
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]+", re.ASCII)
_PORT = re.compile(r":[0-9]*\Z")
_DOMAIN = re.compile(r"\.?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})", re.ASCII)


class CookieOptions(NamedTuple):
    """The attributes of the visitor's cookies. Their path is ``/``; names, values and ages come from the answer."""

    domain: Optional[str] = None
    """The domain whose hosts share the cookies; None limits them to the host that sets them."""

    same_site: str = "Lax"
    """``Lax``, ``Strict``, or ``None`` for a page in a frame of another site. ``None`` requires ``secure=True``."""

    http_only: bool = False
    """Whether scripts cannot read the cookies. at.js needs to read them."""

    secure: Optional[bool] = None
    """Whether browsers send the cookies by https only. None: only if the request came by https."""

    def header(self, name: str, value: str, max_age: int, https: bool) -> Header:
        """Return the ``Set-Cookie`` header of a cookie."""
        parts = [f"{name}={value}", f"Max-Age={max_age:d}", "Path=/"]
        parts += [] if self.domain is None else ["Domain=" + self.domain]
        parts += ["Secure"] if self.is_secure(https) else []
        parts += ["HttpOnly"] if self.http_only else []
        return "Set-Cookie", "; ".join([*parts, "SameSite=" + self.same_site])

    def is_secure(self, https: bool) -> bool:
        """Return whether the cookies are secure. ``https`` is whether the browser used https for the request."""
        return https if self.secure is None else self.secure

    def _check_domain(self, url: Optional[str]) -> None:
        """Log once that the domain is neither the host of the page nor a parent of it, so browsers drop the cookies."""
        if self.domain is None or url is None:
            return
        host, domain = _PORT.sub("", url.split("/", 3)[2]).lower(), self.domain.lower().lstrip(".")
        if f".{host}".endswith("." + domain) or not _LOG.first_time(domain):
            return
        text = (
            "The domain of the cookies, %r, does not match the host %r of a request. Browsers drop such cookies, unless"
            " a proxy has changed the host. In development, leave the domain out; behind such a proxy, set"
            " trusted_proxies. Later requests are not logged"
        )
        _LOG.warning(text, self.domain, host)

    def validated(self) -> "CookieOptions":
        """Return these options, or raise ``OptionError`` if they are invalid."""
        if self.domain is not None and not (isinstance(self.domain, str) and _DOMAIN.fullmatch(self.domain)):
            reject("domain", "a host name", self.domain)
        check_same_site(self.same_site, self.secure)
        return self


#: The attributes that browsers and at.js expect.
DEFAULT_COOKIES = CookieOptions()


def valid_cookie(cookie: Json) -> Optional[CookieValue]:
    """Return the value and the age of a cookie from an answer, or None if a header cannot contain them."""
    if not isinstance(cookie, Mapping):
        return None
    value, age = cookie.get("value"), cookie.get("max_age", cookie.get("maxAge"))
    if not isinstance(value, str) or len(value) > _MAX_COOKIE_LENGTH or not _COOKIE_VALUE.fullmatch(value):
        return None
    return (value, age) if isinstance(age, int) else None


def private_cache_control(value: str) -> str:
    """Return a ``Cache-Control`` value that keeps shared caches from storing the response.

    The other directives of the application stay, except those that address shared caches.
    """
    directives = [directive.strip() for directive in value.split(",") if directive.strip()]
    if {directive.lower() for directive in directives} & {"private", "no-store"}:  # private="…" protects fields only
        return value
    kept = [each for each in directives if each.partition("=")[0].strip().lower() not in {"public", "s-maxage"}]
    return ", ".join([*kept, "private"])


def vary_with(value: str, name: str) -> str:
    """Return a ``Vary`` value that also names the header ``name``."""
    names = [each.strip() for each in value.split(",") if each.strip()]
    if "*" in names or name.lower() in (each.lower() for each in names):
        return value
    return ", ".join([*names, name])


def replace_header(headers: List[Header], name: str, value: str) -> None:
    """Replace every header ``name`` in ``headers`` with one that has ``value``."""
    headers[:] = [header for header in headers if header[0].lower() != name.lower()]
    headers.append((name, value))


def header_values(headers: Any, name: str) -> List[str]:
    """Return the values of every header ``name``. ``headers`` are those of a response of any framework."""
    if hasattr(headers, "getlist"):  # Werkzeug and Starlette; a response of Django has one value
        values: List[str] = headers.getlist(name)
        return values
    return [value for value in (headers.get(name),) if value]


def cookie_names(values: Iterable[str]) -> Set[str]:
    """Return the names of the cookies in the values of ``Set-Cookie`` headers."""
    return {value.partition("=")[0].strip() for value in values}


def joined_value(headers: List[Header], name: str) -> str:
    """Return the values of all headers ``name``, separated by commas."""
    return ", ".join(value for each, value in headers if each.lower() == name.lower())
