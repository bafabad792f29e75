"""The Public Suffix List: the suffixes under which domains are registered (``com``, ``co.uk``, ``github.io``).

Both sections of the list apply, the suffixes of registries and those of companies, as in the list's libraries for Node
and Java. The list's implicit rule that an unlisted top-level domain is a suffix does not apply: ``shop.intranet`` has
no suffix.

A compressed file beside this module contains the rules; a notice names their license. The rules are loaded on first
use, which takes 10 milliseconds and about a megabyte.
"""

import errno
import functools
import pkgutil
import unicodedata
import zlib
from typing import Tuple

from target_tools.logger import default_logger

DATA_FILE = "public_suffixes.txt.gz"
#: The maximum length of a DNS name. Longer hosts have no suffix.
MAX_HOST_LENGTH = 253
#: Number of labels, counted from the end of a host, that are compared. All rules have fewer.
MAX_LABELS = 10


class PublicSuffixes:
    """The rules of one version of the list."""

    __slots__ = ("_exceptions", "_find_suffix_cached", "_suffixes", "_wildcards")

    def __init__(self, text: str) -> None:
        """Parse ``text``: a heading and three blocks of names, separated by empty lines."""
        _, suffixes, wildcards, exceptions = text.split("\n\n")
        self._suffixes = frozenset(suffixes.split("\n"))
        #: Names whose direct subdomains are suffixes. The names themselves need not be.
        self._wildcards = frozenset(wildcards.split("\n"))
        #: Exceptions from the wildcards.
        self._exceptions = frozenset(exceptions.split("\n"))
        # A small cache suffices, because the pages of a site have few hosts.
        self._find_suffix_cached = functools.lru_cache(maxsize=256)(self._find_suffix)

    def suffix_of(self, host: str) -> str:
        """Return the public suffix of ``host`` in the host's spelling, or "".

        ``host`` must be in lower case without a trailing dot. The suffix of a suffix is itself. International names may
        be in Unicode or Punycode. A host with an empty label, or one that is too long, has no suffix.
        """
        if len(host) > MAX_HOST_LENGTH or host.startswith(".") or ".." in host:
            return ""
        return self._find_suffix_cached(host)

    def _find_suffix(self, host: str) -> str:
        """Return the suffix of a host whose length and labels were checked."""
        name = host
        if not host.isascii():
            # Normalization takes quadratic time; the length has been checked.
            name = unicodedata.normalize("NFKC", host).lower()
            if name.count(".") != host.count("."):
                return ""
        labels = self._labels_of_suffix(name)
        return ".".join(host.rsplit(".", labels)[-labels:]) if labels else ""

    def _labels_of_suffix(self, name: str) -> int:
        """Return the number of labels in the suffix of ``name``, by an exception or by the longest matching rule."""
        found = 0
        below_wildcard = False
        start = len(name)
        for labels in range(1, MAX_LABELS + 1):
            start = name.rfind(".", 0, start)
            tail = name[start + 1 :]
            if tail in self._exceptions:
                return labels - 1
            if below_wildcard or tail in self._suffixes:
                found = labels
            if start < 0:
                break
            below_wildcard = tail in self._wildcards
        return found


@functools.lru_cache(maxsize=1)
def public_suffixes() -> PublicSuffixes:
    """Return the bundled list. It is loaded once, though two threads may load it at the same time.

    If the file is missing, for example from an application bundle, a warning is logged and the list is empty. Raises
    ``OSError`` if the file exists but cannot be read; the next call tries again.
    """
    try:
        packed = pkgutil.get_data(__name__.rpartition(".")[0], DATA_FILE)
    except OSError as error:
        # For a missing file in a zip archive, errno is 0. For the exception of a signal handler, it is None.
        if error.errno not in (errno.ENOENT, 0):
            raise
        packed = None
    if packed is None:
        default_logger().warning(
            "%s is missing from this installation of target_tools: the domain of a page is its whole host", DATA_FILE
        )
        return PublicSuffixes("\n\n" * 3)
    return PublicSuffixes(zlib.decompress(packed, 31).decode("utf-8"))


def split_host(host: str) -> Tuple[str, str, str]:
    """Return the labels before the registrable domain of ``host``, that domain, and its public suffix.

    The domain is the suffix and the label before it. Without such a label or a suffix it is the whole host, such as a
    name in the local network or an IP address. The same applies if the list cannot be read, such as when no file
    descriptor is free.
    """
    try:
        suffix = public_suffixes().suffix_of(host)
    except OSError as error:
        if error.errno is None:  # raised by a signal handler, such as the TimeoutError of a soft time limit
            raise
        default_logger().warning("%s cannot be read: the domain of a page is its whole host", DATA_FILE)
        suffix = ""
    if not suffix:
        return "", host, ""
    end = len(host) - len(suffix) - 1
    dot = host.rfind(".", 0, end) if end > 0 else -1
    return (host[:dot], host[dot + 1 :], suffix) if dot >= 0 else ("", host, suffix)
