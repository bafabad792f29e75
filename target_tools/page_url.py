"""A URL as the parts that audiences ask about.

A visitor's browser, or whoever calls, wrote the URL, so it may be any text.  No
text is an error, and each is split in linear time, by RFC 3986's rules where it
has them and as described at ``PageUrl`` where not.
"""

import re
from typing import Optional, Tuple

from target_tools.public_suffixes import split_host

#: What browsers ignore around a URL: the space and what cannot be printed before it.
_SURROUNDING = "".join(map(chr, range(0x21)))
#: What stands before the ``//`` of most URLs.
_COMMON_SCHEMES = frozenset({"", "http:", "https:"})
#: A scheme and a host are both optional.  As in browsers a backslash ends the host.
_FRONT = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.\-]*:)?(?://([^/\\]*))?")
#: Characters that stand for the dot in names beyond ASCII.
_DOTS = dict.fromkeys(map(ord, "。．｡"), ".")


class PageUrl:
    """The parts of ``url``, each a text that is empty where ``url`` has no such part, or is no text.

    ``url`` is as it was given.  The other parts leave out spaces and control characters
    around it; those within stay where they are.  Nothing is percent-decoded.

    * A host follows ``//``, with or without a scheme.  So ``hooli.com/x`` and ``/x`` are
      paths and have no host, and the path of ``mailto:a@b.c`` is ``a@b.c``.
    * ``host`` is in lower case and lacks user name and password (all up to the last ``@``),
      port (all from the first ``:``), and a dot at its end.  An IPv6 address keeps its
      brackets and loses what follows them. Names beyond ASCII stay as they are spelled,
      in Unicode or Punycode, with plain dots.
    * ``path`` is empty, not "/", where the URL ends with the host.
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
            authority, self.path = _split_authority(rest)
        self.host: str = _host_in(authority) if authority else ""
        self._names: Optional[Tuple[str, str, str]] = None

    @property
    def domain(self) -> str:
        """The registrable domain of the host (``hooli.co.uk``).

        It is the whole host where that has no listed suffix, is one itself, or is an address.
        """
        return self._split_host()[1]

    @property
    def subdomain(self) -> str:
        """What stands before the domain, without a label ``www`` at its beginning."""
        return self._split_host()[0]

    @property
    def top_level_domain(self) -> str:
        """The host's suffix in the Public Suffix List (``co.uk``); empty where it has none."""
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


def _split_authority(rest: str) -> Tuple[str, str]:
    """What stands between ``//`` and the path, and the path."""
    front = _FRONT.match(rest)
    assert front is not None  # as all of it is optional
    return front.group(1) or "", rest[front.end() :]


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
