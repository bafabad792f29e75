"""The Public Suffix List: below which names people register domains (``com``, ``co.uk``, ``github.io``).

Both sections of the list count, registries' suffixes and companies' own, as in the
list's libraries for Node and Java.  The list's implicit rule, by which an unlisted
top-level domain is a suffix, does not: ``shop.intranet`` has none.

The rules lie beside this module, packed, with a notice of their own.  They are a
constant that is read when it is first needed: 10 milliseconds, about a megabyte.
"""

import errno
import functools
import pkgutil
import unicodedata
import zlib
from typing import Tuple

from target_tools.logger import default_logger

DATA_FILE = "public_suffixes.txt.gz"
#: Characters of the longest name that the DNS has room for; nothing longer has a suffix.
MAX_HOST_LENGTH = 253
#: Labels of a host that are looked at, from its end; no rule has as many.
MAX_LABELS = 10


class PublicSuffixes:
    """The rules of one version of the list."""

    __slots__ = ("_exceptions", "_suffixes", "_wildcards")

    def __init__(self, text: str) -> None:
        """``text``: a heading and three blocks of names, an empty line between them."""
        _, suffixes, wildcards, exceptions = text.split("\n\n")
        self._suffixes = frozenset(suffixes.split("\n"))
        #: Names below which every label makes a suffix; of the names themselves that says nothing.
        self._wildcards = frozenset(wildcards.split("\n"))
        #: Names that a wildcard makes suffixes, and that are none.
        self._exceptions = frozenset(exceptions.split("\n"))

    def suffix_of(self, host: str) -> str:
        """The public suffix of ``host``, spelled as there; "" where the list knows none.

        ``host`` is in lower case and has no dot at its end.  A host that is a suffix is
        its own.  Names beyond ASCII are found as such and in Punycode.  What cannot be
        the name of a host, because a label is empty or all of it too long, has no suffix.
        """
        if len(host) > MAX_HOST_LENGTH or host.startswith(".") or ".." in host:
            return ""
        name = host
        if not host.isascii():
            # Short by now: bringing marks into order takes quadratic time.
            name = unicodedata.normalize("NFKC", host).lower()
            if name.count(".") != host.count("."):
                return ""
        labels = self._labels_of_suffix(name)
        return ".".join(host.rsplit(".", labels)[-labels:]) if labels else ""

    def _labels_of_suffix(self, name: str) -> int:
        """How many labels at the end of ``name`` are its suffix: an exception's, else the longest rule's."""
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
    """The list that this package carries, read once.  Two threads that ask first may both read it.

    Where an installation lacks the file, as one made by a bundler that was not told of
    it, the list is empty and a warning says so.  Raises OSError where the file is there
    and cannot be read, and reads it again when next asked.
    """
    try:
        packed = pkgutil.get_data(__name__.rpartition(".")[0], DATA_FILE)
    except OSError as error:
        # A file that a zip archive lacks has the number 0.  What a signal handler raises has none.
        if error.errno not in (errno.ENOENT, 0):
            raise
        packed = None
    if packed is None:
        default_logger().warning(
            "%s is missing from this installation of target_tools: the domain of a page is its whole host", DATA_FILE
        )
        return PublicSuffixes("\n\n" * 3)
    return PublicSuffixes(zlib.decompress(packed, 31).decode("utf-8"))


def _suffix_of(host: str) -> str:
    """The public suffix of ``host``; none while the list cannot be read, as by a process out of descriptors."""
    try:
        return public_suffixes().suffix_of(host)
    except OSError as error:
        if error.errno is None:  # a signal handler's, as a soft limit that is a TimeoutError
            raise
        default_logger().warning("%s cannot be read just now: the domain of a page is its whole host", DATA_FILE)
        return ""


def split_host(host: str) -> Tuple[str, str, str]:
    """What stands before the registrable domain of ``host``, that domain, and its public suffix.

    The domain is the suffix and the label before it.  Where there is no such label, or
    no suffix, it is all of ``host``: a name of the local network, an address.
    """
    suffix = _suffix_of(host)
    if not suffix:
        return "", host, ""
    end = len(host) - len(suffix) - 1
    dot = host.rfind(".", 0, end) if end > 0 else -1
    return (host[:dot], host[dot + 1 :], suffix) if dot >= 0 else ("", host, suffix)
