"""Name look-ups that a deadline can bound.

``getaddrinfo`` cannot be interrupted, so each look-up runs in a thread of its own.  Callers that
want the same host share one look-up and wait for it until their deadlines.  Addresses are
remembered for a moment; an address that worked before is used when the resolver fails or hangs.
"""

import contextlib
import contextvars
import ipaddress
import socket
from typing import Any, Callable, ContextManager, Dict, List, Optional, Tuple

from urllib3.util import connection as urllib3_connection

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.threads import start_thread
from target_tools.errors import ConnectionFailed, escape_text
from target_tools.http.messages import Origin
from target_tools.http.origins import OriginTable

#: What ``getaddrinfo`` returns for one address: family, kind, protocol, canonical name, socket address.
AddressInfo = Tuple[Any, ...]
Key = Tuple[str, int]

#: Seconds for which an answer of the resolver is used without asking again.
FRESH_SECONDS = 10.0
#: Seconds for which an address that worked is used if the resolver fails.
STALE_SECONDS = 3600.0
#: Seconds that a call waits for the resolver if an older answer is known.
PATIENCE_SECONDS = 0.5
#: Seconds after which a waiting thread enters ``blocking``.
BLOCKING_SECONDS = 0.25
#: Look-ups that may run at the same time.
RUNNING_LIMIT = 32
#: Hosts whose addresses are remembered.
KNOWN_LIMIT = 64
#: Seconds after which a look-up whose thread has not begun is started again.
START_SECONDS = 2.0
#: Seconds after which another look-up is started beside one that hangs.
HANGING_SECONDS = 10.0


class _Known:
    """What is known of a host."""

    def __init__(self) -> None:
        #: The addresses, the preferred one first; empty if none is known.
        self.addresses: List[AddressInfo] = []
        self.found_at = 0.0
        #: The function that found them: an answer of a replaced ``getaddrinfo`` is not fresh for another one.
        self.resolve: Optional[Callable[..., Any]] = None

    def usable(self, seconds: float) -> List[AddressInfo]:
        """Return the addresses if they are not older than that."""
        return self.addresses if monotonic() - self.found_at < seconds else []


class _LookUp:
    """One call of ``getaddrinfo`` that runs in a thread of its own."""

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

    ``blocking`` is entered for what a thread waits beyond ``BLOCKING_SECONDS``.
    """

    def __init__(self, blocking: Callable[[], ContextManager[object]] = contextlib.nullcontext) -> None:
        self._blocking = blocking
        self._known: OriginTable[_Known] = OriginTable(lambda origin: _Known(), limit=KNOWN_LIMIT)
        #: The newest look-up of each host.
        self._running: Dict[Key, _LookUp] = {}
        #: All that have a thread.
        self._threads: Dict[int, _LookUp] = {}

    def addresses(self, host: str, port: int, deadline: Deadline, is_needed: bool = True) -> List[AddressInfo]:
        """Return the addresses of ``host`` in the order in which to try them.

        ``is_needed`` says that there is no other host to ask: half of the look-ups that may run at the same
        time are kept for such hosts, as visitors' hints can name any others.

        Raises ``ConnectionFailed`` if the resolver has none, whatever it raises, and
        ``socket.timeout`` if it does not answer before the deadline.
        """
        key, resolve = (host, port), socket.getaddrinfo
        literal = _literal(host, port) if resolve.__module__ == "socket" else None  # a replacement sees all hosts
        if literal is not None:
            return [literal]
        known = self._known.get(_table_key(key))
        fresh = known.usable(FRESH_SECONDS)
        if fresh and known.resolve is resolve:
            return fresh
        older = known.usable(STALE_SECONDS)
        look_up = self._look_up(key, resolve, RUNNING_LIMIT if is_needed else RUNNING_LIMIT // 2)
        if look_up is None:
            if older:
                return older
            raise ConnectionFailed(f"no connection to {host}: {RUNNING_LIMIT} name look-ups hang already", "refused")
        look_up.waiters += 1
        try:
            left = deadline.remaining()
            answered = self._wait(look_up, min(left, PATIENCE_SECONDS) if older else left)
        finally:
            look_up.waiters -= 1
        if look_up.addresses:
            return look_up.addresses
        if older and not _is_unknown_name(look_up.error):
            return older
        if not answered:
            raise socket.timeout("the name look-up timed out")
        self.forget(host, port)
        reason = "the resolver knows no address" if look_up.error is None else escape_text(look_up.error)
        raise ConnectionFailed(f"no connection to {host}: {reason}", "opening") from look_up.error

    def prefer(self, host: str, port: int, address: AddressInfo) -> None:
        """Try ``address`` first from now on: a connection to it was opened."""
        known = self._known.peek(_table_key((host, port)))
        if known is not None:
            known.addresses = _with_first(known.addresses, address)

    def forget(self, host: str, port: int) -> None:
        """Ask the resolver again at the next use: no connection could be opened."""
        self._known.drop(_table_key((host, port)))

    def expire(self, host: str, port: int) -> None:
        """Ask the resolver at the next use, and use the present addresses if it fails."""
        known = self._known.peek(_table_key((host, port)))
        if known is not None:
            known.found_at = min(known.found_at, monotonic() - FRESH_SECONDS)

    def abandoned(self) -> int:
        """Return how many look-ups run that no call waits for any more."""
        return sum(look_up.waiters <= 0 for look_up in list(self._threads.values()))

    def _wait(self, look_up: _LookUp, seconds: float) -> bool:
        """Return whether the look-up ends within that time."""
        if seconds <= BLOCKING_SECONDS:
            return look_up.done.wait(seconds)
        if look_up.done.wait(BLOCKING_SECONDS):
            return True
        with self._blocking():
            return look_up.done.wait(seconds - BLOCKING_SECONDS)

    def _look_up(self, key: Key, resolve: Callable[..., Any], limit: int) -> Optional[_LookUp]:
        """Return the look-up that runs for ``key``, started if there was none; None if too many run."""
        running = self._running.get(key)
        if running is not None and running.resolve is resolve and not _is_lost(running):
            return running
        if len(self._threads) >= limit:
            return running
        made = _LookUp(key, resolve)
        self._running[key] = made
        run = contextvars.copy_context().run
        try:
            start_thread(run, (self._resolve, made))
        except (RuntimeError, MemoryError):  # no thread can be started: look up in this one
            self._resolve(made)
        except BaseException:
            self._running.pop(key, None)
            raise
        return made

    def _resolve(self, look_up: _LookUp) -> None:
        """Ask the system's resolver; runs in the look-up's thread."""
        look_up.begun = True
        self._threads[id(look_up)] = look_up
        host, port = look_up.key
        try:
            family = urllib3_connection.allowed_gai_family()
            found = look_up.resolve(host, port, family, socket.SOCK_STREAM)
            look_up.addresses = _interleaved([info for info in found if len(info) == 5])
        except BaseException as error:  # noqa: BLE001 - every waiter raises an error that has it as its cause
            look_up.error = error.with_traceback(None)
        if look_up.addresses:
            self._remember(look_up)
        self._threads.pop(id(look_up), None)
        if self._running.get(look_up.key) is look_up:
            self._running.pop(look_up.key, None)
        look_up.done.set()

    def _remember(self, look_up: _LookUp) -> None:
        """Keep the addresses, with the one that worked before in front if it is still among them."""
        known = self._known.get(_table_key(look_up.key))
        if known.addresses:
            look_up.addresses = _with_first(look_up.addresses, known.addresses[0])
        known.addresses, known.found_at, known.resolve = look_up.addresses, monotonic(), look_up.resolve


def _is_lost(look_up: _LookUp) -> bool:
    """Whether another look-up is to be started: its thread never began, or the resolver hangs."""
    age = monotonic() - look_up.made_at
    return age > HANGING_SECONDS or (age > START_SECONDS and not look_up.begun)


def _table_key(key: Key) -> Origin:
    """Return a key for the table of origins; the addresses of a host are the same for all schemes."""
    return Origin("", *key)


def _with_first(addresses: List[AddressInfo], first: AddressInfo) -> List[AddressInfo]:
    """Return the addresses with ``first`` in front, if it is among them."""
    if first not in addresses:
        return addresses
    return [first, *(address for address in addresses if address != first)]


def _literal(host: str, port: int) -> Optional[AddressInfo]:
    """Return the address that ``host`` spells out; None for a name, and for an IPv6 address with a scope."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))
    return None if "%" in host else (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))


def _is_unknown_name(error: Optional[BaseException]) -> bool:
    """Whether the resolver says that the name does not exist, as opposed to not answering."""
    names = [getattr(socket, name, None) for name in ("EAI_NONAME", "EAI_NODATA")]
    return isinstance(error, socket.gaierror) and error.errno is not None and error.errno in names


def _interleaved(addresses: List[AddressInfo]) -> List[AddressInfo]:
    """Alternate between the families, beginning with the resolver's first (RFC 8305, section 4)."""
    first = [info for info in addresses if info[0] == addresses[0][0]]
    others = [info for info in addresses if info[0] != addresses[0][0]]
    mixed: List[AddressInfo] = []
    while first or others:
        mixed += first[:1] + others[:1]
        first, others = first[1:], others[1:]
    return mixed
