"""The files of the page, and their security headers."""

import pkgutil
import re
from typing import Dict, Optional

from target_python_sdk.local_edge.http_messages import Reply

#: The prefix of the paths of the files and of the data that the page loads.
PAGE_PREFIX = "/page/"
#: The content types of the files by extension. Other files are not served.
CONTENT_TYPES = {
    ".html": "text/html;charset=UTF-8",
    ".css": "text/css;charset=UTF-8",
    ".js": "text/javascript;charset=UTF-8",
    ".svg": "image/svg+xml",
}
#: A name without a folder.
_NAME = re.compile(r"\w+(?P<extension>\.\w+)", re.ASCII)

#: Names and offers are untrusted text. With this policy, the browser does not run injected scripts, and the page cannot
#: exchange data with other servers. ``require-trusted-types-for`` prevents scripts from parsing text as HTML.
CONTENT_SECURITY_POLICY = "; ".join([
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
])  # fmt: skip
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Encoding",
}


def wants_page(headers: Dict[str, str]) -> bool:
    """Return whether a request for ``/`` is from a browser that opens a page."""
    return "text/html" in headers.get("accept", "")


def file_reply(name: str) -> Optional[Reply]:
    """Return the reply with a file of the page, or None if there is no file with this name."""
    match = _NAME.fullmatch(name)
    content_type = match and CONTENT_TYPES.get(match["extension"])
    if not content_type:
        return None
    try:
        content = pkgutil.get_data(__name__.rpartition(".")[0], name)  # the package may be inside a zip archive
    except OSError:
        return None
    return None if content is None else Reply(200, content, {**HEADERS, "Content-Type": content_type})
