"""The values that a browser sent with one request: cookies, page, client hints and address."""

from typing import Any, Mapping, Optional

from target_python_sdk.qa_links import QA_MODE_COOKIE, qa_mode_of, qa_mode_of_cookie
from target_python_sdk.types import Context, QAMode
from target_python_sdk.visits.environ import (
    context,
    page_url,
    request_cookies,
    scheme,
    variables_of,
    visitor_cookies,
)


class BrowserRequest:
    """A request of a browser. All values are untrusted; invalid ones are ignored."""

    def __init__(self, environ: Mapping[str, Any], trusted_proxies: int = 0) -> None:
        # Copy the values: a reference to the environ, which refers to this object, would create a reference cycle.
        self._environ = variables_of(environ)
        self._trusted_proxies = trusted_proxies

    def cookie(self, name: str) -> Optional[str]:
        """Return the value of a cookie of the request, not decoded."""
        return request_cookies(self._environ, (name,)).get(name)

    @property
    def visitor_cookie(self) -> Optional[str]:
        """The cookies ``AMCV_…``, as a ``Cookie`` header. A call uses the cookie of its client's organization."""
        return "; ".join(f"{name}={value}" for name, value in visitor_cookies(self._environ).items()) or None

    @property
    def qa_mode(self) -> Optional[QAMode]:
        """The QA mode in the parameters of a QA link, or else the one in the cookie ``at_qa_mode``."""
        return qa_mode_of(self.url) or qa_mode_of_cookie(self.cookie(QA_MODE_COOKIE))

    @property
    def https(self) -> bool:
        """Whether the browser used https."""
        return scheme(self._environ, self._trusted_proxies) == "https"

    @property
    def url(self) -> Optional[str]:
        """The URL of the page, or None if the host is unknown."""
        return page_url(self._environ, self._trusted_proxies)

    @property
    def context(self) -> Context:
        """A new ``Context`` with the page, browser, client hints and address of the visitor."""
        return context(self._environ, self._trusted_proxies)
