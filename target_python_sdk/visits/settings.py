"""The settings of visits, which the integrations of all web frameworks share."""

from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional, Union

from target_python_sdk.delivery.option_parsers import reject
from target_python_sdk.visits.response_headers import DEFAULT_COOKIES, CookieOptions
from target_tools.callables import describe, is_deferred
from target_tools.error_text import invalid
from target_tools.errors import OptionError
from target_tools.typing_compat import TypedDict

if TYPE_CHECKING:
    from target_python_sdk.client import TargetClient
    from target_python_sdk.visits.browser_request import BrowserRequest

#: A client, or a function that returns it. Use a function if the client is created after the application.
ClientSource = Union["TargetClient", Callable[[], "TargetClient"]]


class VisitSettings(NamedTuple):
    """How visits read requests, make calls and write responses."""

    client: Optional[ClientSource] = None
    """The client of ``visit.offers`` and the other calls, or a function that returns it."""

    trusted_proxies: int = 0
    """The number of your own proxies in front of the server. With 0, ``X-Forwarded-…`` headers are ignored."""

    cookies: CookieOptions = DEFAULT_COOKIES
    """The attributes of the visitor's cookies."""

    has_consent: "Optional[Callable[[BrowserRequest], Optional[bool]]]" = None
    """Returns whether the visitor has consented, for example from a cookie; None: unknown, which counts as consent."""

    is_bot: "Optional[Callable[[BrowserRequest], bool]]" = None
    """Returns whether to treat the visitor as a bot: nothing is sent and no cookie is set, as without consent."""

    cache_control: bool = True
    """Whether a response that depends on the visitor gets ``Cache-Control: private`` and ``Vary: Cookie``."""

    accept_client_hints: bool = False
    """Whether responses ask the browser for client hints, by ``Accept-CH``."""

    def validated(self) -> "VisitSettings":
        """Return these settings, or raise ``OptionError`` if they are invalid."""
        proxies = self.trusted_proxies
        if not isinstance(proxies, int) or isinstance(proxies, bool) or proxies < 0:
            reject("trusted_proxies", "a number of 0 or more", proxies)
        if not isinstance(self.cookies, CookieOptions):
            reject("cookies", "a CookieOptions", self.cookies)
        for name in ("has_consent", "is_bot"):
            function = getattr(self, name)
            if function is not None and not callable(function):
                reject(name, "a function that takes the visit", function)
            if function is not None and is_deferred(function):
                problem = f"{describe(function)} is a coroutine function or a generator function"
                reject(name, "a function that returns its answer", problem=problem)
        if self.client is not None and not (callable(self.client) or hasattr(self.client, "get_offers")):
            reject("client", "a TargetClient, or a function that returns it", self.client)
        self.cookies.validated()
        return self


#: The settings of visits without an integration.
DEFAULT_SETTINGS = VisitSettings()


class VisitOptions(TypedDict, total=False):
    """The fields of :class:`VisitSettings` as keyword arguments of an integration."""

    client: Optional[ClientSource]
    trusted_proxies: int
    cookies: CookieOptions
    has_consent: "Optional[Callable[[BrowserRequest], Optional[bool]]]"
    is_bot: "Optional[Callable[[BrowserRequest], bool]]"
    cache_control: bool
    accept_client_hints: bool


def visit_settings(options: Any) -> VisitSettings:
    """Return the settings for the keyword arguments of an integration. Raises ``OptionError``."""
    check_names(options)
    return VisitSettings(**options).validated()


def check_names(options: Any) -> None:
    """Raise ``OptionError`` for an unknown option."""
    for name in options:
        if name not in VisitSettings._fields:
            raise OptionError(invalid("", f"unknown option {name!r}", name=name, known=VisitSettings._fields), name)
