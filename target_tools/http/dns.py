"""Name lookups that end at a deadline.

``getaddrinfo`` cannot be interrupted, so each lookup runs in a separate thread. Calls for the same host share a
lookup and wait for it until their deadlines. Addresses are cached briefly. If the resolver fails or hangs, older
addresses are used, unless it reports that the name does not exist.
"""

import contextlib
import contextvars
import ipaddress
import itertools
import socket
from typing import Any, Callable, ContextManager, Dict, List, Optional, Tuple

from urllib3.util import connection as urllib3_connection

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.abort import wait_or_abort
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.lock_free import BoundedTable
from target_tools.concurrency.threads import start_thread
from target_tools.errors import ConnectionFailed, escape_text

#: One address from ``getaddrinfo``: family, kind, protocol, canonical name, socket address.
AddressInfo = Tuple[Any, ...]
Key = Tuple[str, int]

#: Seconds for which a cached answer is used without another lookup.
FRESH_SECONDS = 10.0
#: Seconds for which a cached answer is used if the resolver fails or hangs.
STALE_SECONDS = 3600.0
#: Seconds that a call waits for the resolver if there is a cached answer.
PATIENCE_SECONDS = 0.5
#: Seconds that a thread waits for a lookup before it enters the resolver's ``blocking`` context.
BLOCKING_SECONDS = 0.25
#: Maximum number of simultaneous lookups.
MAX_LOOKUPS = 32
#: Number of hosts whose addresses are cached.
MAX_CACHED_HOSTS = 64
#: Seconds after which a lookup is started again if its thread has not begun.
START_SECONDS = 2.0
#: Seconds after which a lookup counts as hanging, and another one is started.
HANGING_SECONDS = 10.0


class _CacheEntry:
    """The cached addresses of a host."""

    def __init__(self) -> None:
        #: The addresses, with the preferred one first.
        self.addresses: List[AddressInfo] = []
        self.found_at = 0.0
        #: The ``getaddrinfo`` that found them. If a test replaces the function, the addresses are not fresh.
        self.resolve: Optional[Callable[..., Any]] = None

    def usable(self, seconds: float) -> List[AddressInfo]:
        """Return the addresses if they are younger than ``seconds``, else an empty list."""
        return self.addresses if monotonic() - self.found_at < seconds else []


class _Lookup:
    """One call of ``getaddrinfo`` in a separate thread."""

    def __init__(self, key: Key, resolve: Callable[..., Any]) -> None:
        self.key = key
        self.resolve = resolve
        self.made_at = monotonic()
        self.begun = False
        self.waiters = 0
        self.done = Latch()
        self.addresses: List[AddressInfo] = []
        self.error: Optional[BaseException] = None


class Resolver:
    """Finds the addresses of hosts, for one client in one process.

    A thread that has waited for ``BLOCKING_SECONDS`` enters ``blocking`` for the rest of its wait.
    """

    def __init__(self, blocking: Callable[[], ContextManager[object]] = contextlib.nullcontext) -> None:
        self._blocking = blocking
        self._cache: BoundedTable[Key, _CacheEntry] = BoundedTable(lambda key: _CacheEntry(), limit=MAX_CACHED_HOSTS)
        #: The latest lookup of each host.
        self._running: Dict[Key, _Lookup] = {}
        #: All lookups whose threads run.
        self._threads: Dict[int, _Lookup] = {}

    def addresses(self, host: str, port: int, deadline: Deadline, is_needed: bool = True) -> List[AddressInfo]:
        """Return the addresses of ``host`` in the order in which to try them.

        ``is_needed`` is False if there is another host to try. In that case ``host`` comes from a visitor's location
        hint, which can name any host, so these lookups may use only half of the limit.

        Raises ``ConnectionFailed`` if the resolver fails or returns no address, and ``socket.timeout`` if it does not
        answer before the deadline.
        """
        known = self.known_addresses(host, port)
        if known:
            return known
        key, resolve = (host, port), socket.getaddrinfo
        older = self._cache.get(key).usable(STALE_SECONDS)
        limit = MAX_LOOKUPS if is_needed else MAX_LOOKUPS // 2
        lookup = self._lookup(key, resolve, limit)
        if lookup is None:
            if older:
                return older
            raise ConnectionFailed(f"no connection to {host}: {limit} name lookups are running", "refused")
        lookup.waiters += 1
        try:
            left = deadline.remaining()
            answered = self._wait(lookup, min(left, PATIENCE_SECONDS) if older else left, deadline)
        finally:
            lookup.waiters -= 1
        if lookup.addresses:
            return lookup.addresses
        if older and not _is_unknown_name(lookup.error):
            return older
        if not answered:
            raise socket.timeout("the name lookup timed out")
        self.forget(host, port)
        reason = "the resolver knows no address" if lookup.error is None else escape_text(lookup.error)
        raise ConnectionFailed(f"no connection to {host}: {reason}", "opening") from lookup.error

    def known_addresses(self, host: str, port: int) -> List[AddressInfo]:
        """Return the addresses if ``host`` is an IP address or was looked up a moment ago, else an empty list."""
        resolve = socket.getaddrinfo
        # A replaced getaddrinfo gets all hosts, including IP addresses.
        literal = _literal(host, port) if resolve.__module__ == "socket" else None
        if literal is not None:
            return [literal]
        cached = self._cache.get((host, port))
        return cached.usable(FRESH_SECONDS) if cached.resolve is resolve else []

    def prefer(self, host: str, port: int, address: AddressInfo) -> None:
        """Put ``address`` first, because a connection to it was opened."""
        cached = self._cache.peek((host, port))
        if cached is not None:
            cached.addresses = _with_first(cached.addresses, address)

    def forget(self, host: str, port: int) -> None:
        """Drop the cached addresses of ``host``."""
        self._cache.drop((host, port))

    def expire(self, host: str, port: int) -> None:
        """Look up ``host`` again at its next use; the cached addresses are used only if that fails."""
        cached = self._cache.peek((host, port))
        if cached is not None:
            cached.found_at = min(cached.found_at, monotonic() - FRESH_SECONDS)

    def abandoned(self) -> int:
        """Return the number of running lookups that no call waits for."""
        return sum(lookup.waiters <= 0 for lookup in list(self._threads.values()))

    def _wait(self, lookup: _Lookup, seconds: float, deadline: Deadline) -> bool:
        """Wait for the lookup; return False if it takes more than ``seconds`` or if ``deadline`` is aborted."""
        if seconds <= BLOCKING_SECONDS:
            return lookup.done.wait(seconds)
        if lookup.done.wait(BLOCKING_SECONDS):
            return True
        with self._blocking():
            return wait_or_abort(lookup.done, seconds - BLOCKING_SECONDS, deadline)

    def _lookup(self, key: Key, resolve: Callable[..., Any], limit: int) -> Optional[_Lookup]:
        """Return the running lookup of ``key``, or start one; return None if too many are running."""
        running = self._running.get(key)
        if running is not None and running.resolve is resolve and not _is_lost(running):
            return running
        if len(self._threads) >= limit:
            return running
        lookup = _Lookup(key, resolve)
        self._running[key] = lookup
        run = contextvars.copy_context().run
        try:
            start_thread(run, (self._resolve, lookup))
        except (RuntimeError, MemoryError):  # no thread can be started: use the calling thread
            self._resolve(lookup)
        except BaseException:
            self._running.pop(key, None)
            raise
        return lookup

    def _resolve(self, lookup: _Lookup) -> None:
        """Call the system's resolver. Runs in the lookup's thread."""
        lookup.begun = True
        self._threads[id(lookup)] = lookup
        host, port = lookup.key
        try:
            family = urllib3_connection.allowed_gai_family()
            found = lookup.resolve(host, port, family, socket.SOCK_STREAM)
            lookup.addresses = _interleaved([info for info in found if len(info) == 5])
        except BaseException as error:  # noqa: BLE001 - the waiting calls raise it as a cause
            lookup.error = error.with_traceback(None)
        if lookup.addresses:
            self._remember(lookup)
        self._threads.pop(id(lookup), None)
        if self._running.get(lookup.key) is lookup:
            self._running.pop(lookup.key, None)
        lookup.done.set()

    def _remember(self, lookup: _Lookup) -> None:
        """Cache the addresses. The previously preferred one stays first if it is still among them."""
        cached = self._cache.get(lookup.key)
        if cached.addresses:
            lookup.addresses = _with_first(lookup.addresses, cached.addresses[0])
        cached.addresses, cached.found_at, cached.resolve = lookup.addresses, monotonic(), lookup.resolve


def _is_lost(lookup: _Lookup) -> bool:
    """Return whether to start another lookup, because the thread never began or the resolver hangs."""
    age = monotonic() - lookup.made_at
    return age > HANGING_SECONDS or (age > START_SECONDS and not lookup.begun)


def _with_first(addresses: List[AddressInfo], first: AddressInfo) -> List[AddressInfo]:
    """Return ``addresses`` with ``first`` moved to the front, if it is among them."""
    if first not in addresses:
        return addresses
    return [first, *(address for address in addresses if address != first)]


def _literal(host: str, port: int) -> Optional[AddressInfo]:
    """Return the address for a ``host`` that is an IP address; None for a name and for an IPv6 address with a scope."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))
    return None if "%" in host else (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))


def _is_unknown_name(error: Optional[BaseException]) -> bool:
    """Return whether ``error`` means that the name does not exist, as opposed to a resolver that does not answer."""
    names = [getattr(socket, name, None) for name in ("EAI_NONAME", "EAI_NODATA")]
    return isinstance(error, socket.gaierror) and error.errno is not None and error.errno in names


def _interleaved(addresses: List[AddressInfo]) -> List[AddressInfo]:
    """Alternate between the address families, beginning with the resolver's first (RFC 8305, section 4)."""
    first = [info for info in addresses if info[0] == addresses[0][0]]
    others = [info for info in addresses if info[0] != addresses[0][0]]
    pairs = itertools.zip_longest(first, others)
    return [info for pair in pairs for info in pair if info is not None]
