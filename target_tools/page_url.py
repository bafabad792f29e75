"""Splits a URL into the parts that audiences can target.

The URL comes from the visitor's browser and may be any text. Parsing accepts every text, and takes time linear in its
length. The rules are those of RFC 3986; ``PageUrl`` documents the cases that the RFC leaves open.
"""

import re
from typing import Optional, Tuple

from target_tools.public_suffixes import split_host

#: The characters that browsers strip from a URL: spaces and control characters.
_SURROUNDING = "".join(map(chr, range(0x21)))
#: The text before the ``//`` of most URLs.
_COMMON_SCHEMES = frozenset({"", "http:", "https:"})
#: The scheme and the host are optional. A backslash ends the host, as in browsers.
_FRONT = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.\-]*:)?(?://([^/\\]*))?")
#: Characters that are equivalent to the dot in international names.
_DOTS = dict.fromkeys(map(ord, "。．｡"), ".")


class PageUrl:
    """The parts of ``url``. Missing parts are empty, and all parts are empty if ``url`` is not text.

    ``url`` is unchanged. For the other parts, spaces and control characters at both ends of the URL are stripped; those
    inside are kept. Nothing is percent-decoded.

    * The host follows ``//``, with or without a scheme. So ``hooli.com/x`` and ``/x`` are paths without a host, and the
      path of ``mailto:a@b.c`` is ``a@b.c``.
    * ``host`` is in lower case, without user name and password (everything up to the last ``@``), port (everything from
      the first ``:``) and trailing dot. An IPv6 address keeps its brackets; the text after them is dropped.
      International names keep their spelling, Unicode or Punycode, with ASCII dots.
    * ``path`` is empty, not "/", if the URL ends with the host.
    """

    __slots__ = ("_names", "fragment", "host", "path", "query", "url")

    def __init__(self, url: Optional[str]) -> None:
        self.url: str = url if isinstance(url, str) else ""
        rest, _, self.fragment = self.url.strip(_SURROUNDING).partition("#")
        rest, _, self.query = rest.partition("?")
        scheme, _, after = rest.partition("//")
        authority, slash, path = after.partition("/")
        if scheme in _COMMON_SCHEMES and "\\" not in authority:
            self.path: str = slash + path
        else:
            front = _FRONT.match(rest)
            assert front is not None  # all parts of the pattern are optional
            authority, self.path = front.group(1) or "", rest[front.end() :]
        self.host: str = _host_in(authority) if authority else ""
        self._names: Optional[Tuple[str, str, str]] = None

    @property
    def domain(self) -> str:
        """The registrable domain of the host (``hooli.co.uk``).

        The whole host, if the host has no listed suffix, is a suffix itself, or is an IP address.
        """
        return self._split_host()[1]

    @property
    def subdomain(self) -> str:
        """The labels before the domain, without a leading ``www``."""
        return self._split_host()[0]

    @property
    def top_level_domain(self) -> str:
        """The host's suffix in the Public Suffix List (``co.uk``), or empty."""
        return self._split_host()[2]

    def _split_host(self) -> Tuple[str, str, str]:
        names = self._names
        if names is None:
            before, domain, suffix = split_host(self.host) if self.host else ("", "", "")
            if before == "www":
                before = ""
            elif before.startswith("www."):
                before = before[4:]
            self._names = names = before, domain, suffix
        return names


def _host_in(authority: str) -> str:
    if "@" in authority:
        authority = authority.rpartition("@")[2]
    host = authority.lower()
    if not host.isascii():
        host = host.translate(_DOTS)
    if ":" in host:
        if host[0] == "[" and "]" in host:
            return host[: host.index("]") + 1]
        host = host.partition(":")[0]
    return host[:-1] if host[-1:] == "." else host
