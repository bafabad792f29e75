"""The files of the page, and their security headers."""

from pathlib import Path
from typing import Dict, Optional

from target_python_sdk.local_edge.http_messages import Reply

#: The path of the files, and of the data that the page loads.
PAGE_PREFIX = "/page/"
#: The content types of the files by extension. Other files are not served.
CONTENT_TYPES = {
    ".html": "text/html;charset=UTF-8",
    ".css": "text/css;charset=UTF-8",
    ".js": "text/javascript;charset=UTF-8",
    ".svg": "image/svg+xml",
}
_FOLDER = Path(__file__).parent

#: Names and offers are untrusted text. With this policy, the browser would not run a script that got into the page, and
#: the page can neither load from another server nor send to it. ``require-trusted-types-for`` prevents scripts from
#: parsing text as HTML.
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
    path = _FOLDER / name
    content_type = CONTENT_TYPES.get(path.suffix)
    if content_type is None or name not in {each.name for each in _FOLDER.iterdir()}:
        return None
    return Reply(200, path.read_bytes(), {**HEADERS, "Content-Type": content_type})
