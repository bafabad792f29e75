"""Name lookups: shared, within the deadline, cached, and answered from the cache if the resolver fails."""

import contextvars
import socket
import threading
from types import SimpleNamespace

import pytest

from target_tools import clock
from target_tools.clock import Deadline
from target_tools.errors import ConnectionFailed
from target_tools.http import dns
from target_tools.http.dns import Resolver
from tests.support import LONG, eventually

WAIT = LONG / 1000
HOST, PORT = "edge.example", 443


def info(address, family=socket.AF_INET):
    rest = () if family == socket.AF_INET else (0, 0)
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, PORT, *rest))


IPV4_1, IPV4_2, IPV4_3 = info("192.0.2.1"), info("192.0.2.2"), info("192.0.2.3")
IPV6_1, IPV6_2 = info("2001:db8::1", socket.AF_INET6), info("2001:db8::2", socket.AF_INET6)


class System:
    """The system's resolver. It waits until ``release`` is set, then returns or raises ``result``."""

    def __init__(self, *result):
        self.result = result
        self.lookups = []
        self.release = threading.Event()
        self.release.set()
        self.started = threading.Semaphore(0)

    def replacement(self):
        def getaddrinfo(host, port, family, kind):
            self.lookups.append((host, port, kind))
            self.started.release()
            self.release.wait(WAIT)
            answers = list(self.result)
            if answers and isinstance(answers[0], BaseException):
                raise answers[0]
            return answers

        getaddrinfo.__module__ = "socket"
        return getaddrinfo


@pytest.fixture
def system(monkeypatch):
    system = System(IPV4_1)
    monkeypatch.setattr(socket, "getaddrinfo", system.replacement())
    yield system
    system.release.set()


@pytest.fixture
def resolver_clock(monkeypatch):
    """Return an object whose ``offset`` is added to the clock of the resolver, but not to the clock of deadlines."""
    added = SimpleNamespace(offset=0.0)
    monkeypatch.setattr(dns, "monotonic", lambda: clock.monotonic() + added.offset)
    return added


def find(resolver, seconds=WAIT, host=HOST):
    return resolver.addresses(host, PORT, Deadline.after(seconds))


def run_in_threads(act, count):
    """Run ``act`` in ``count`` threads; return the threads and the list of their results and errors."""
    results = []

    def run():
        try:
            results.append(act())
        except Exception as error:  # noqa: BLE001 - checked by the test
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, results


def join(threads):
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()


# Shared lookups


def test_many_threads_share_one_lookup(system):
    resolver = Resolver()
    system.release.clear()
    threads, results = run_in_threads(lambda: find(resolver), 32)
    (lookup,) = eventually(lambda: resolver._running) and resolver._running.values()
    assert eventually(lambda: lookup.waiters == 32)
    system.release.set()
    join(threads)
    assert results == [[IPV4_1]] * 32
    assert system.lookups == [(HOST, PORT, socket.SOCK_STREAM)]


def test_all_callers_that_share_a_lookup_get_its_error(system):
    resolver = Resolver()
    system.result = (socket.gaierror(socket.EAI_AGAIN, "try again"),)
    system.release.clear()
    threads, results = run_in_threads(lambda: find(resolver), 8)
    assert eventually(lambda: [each.waiters for each in resolver._running.values()] == [8])
    system.release.set()
    join(threads)
    assert {(type(error), error.phase) for error in results} == {(ConnectionFailed, "opening")}
    assert {error.__cause__ for error in results} == set(system.result)
    assert len(system.lookups) == 1


def test_each_caller_waits_until_its_own_deadline(system):
    resolver = Resolver()
    system.release.clear()
    threads, results = run_in_threads(lambda: find(resolver), 1)
    assert eventually(lambda: resolver._running)
    with pytest.raises(socket.timeout, match="lookup timed out"):
        find(resolver, 0.02)
    system.release.set()
    join(threads)
    assert (results, len(system.lookups)) == ([[IPV4_1]], 1)


def test_different_hosts_are_looked_up_at_the_same_time(system):
    resolver = Resolver()
    system.release.clear()
    threads, results = run_in_threads(lambda: find(resolver), 1)
    other_threads, other_results = run_in_threads(lambda: find(resolver, host="other.example"), 1)
    for _ in range(2):
        assert system.started.acquire(timeout=WAIT)
    system.release.set()
    join(threads + other_threads)
    assert sorted(host for host, _, _ in system.lookups) == [HOST, "other.example"]
    assert results + other_results == [[IPV4_1], [IPV4_1]]


def test_context_variables_reach_the_resolver(monkeypatch):
    variable = contextvars.ContextVar("variable")
    seen = []

    def getaddrinfo(*_):
        seen.append((variable.get(None), threading.current_thread() is threading.main_thread()))
        return [IPV4_1]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    variable.set("mine")
    assert find(Resolver()) == [IPV4_1]
    assert seen == [("mine", False)]


# The cache


def test_only_a_fresh_answer_is_used_again(system, resolver_clock):
    resolver = Resolver()
    find(resolver)
    resolver_clock.offset = dns.FRESH_SECONDS - 0.5
    find(resolver)
    assert len(system.lookups) == 1
    resolver_clock.offset = dns.FRESH_SECONDS + 0.5
    system.result = (IPV4_2,)
    assert find(resolver) == [IPV4_2]
    assert len(system.lookups) == 2


def test_a_host_that_is_forgotten_is_looked_up_again(system):
    resolver = Resolver()
    find(resolver)
    resolver.forget(HOST, PORT)
    find(resolver)
    assert len(system.lookups) == 2


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        socket.gaierror("no number"),
        OSError(24, "Too many open files"),
        UnicodeError("label too long"),
        RuntimeError("mine"),
        MemoryError(),
        KeyboardInterrupt(),
    ],
    ids=repr,
)
def test_an_older_address_is_used_if_the_resolver_fails(error, system, resolver_clock):
    resolver = Resolver()
    find(resolver)
    resolver_clock.offset = dns.FRESH_SECONDS + 1
    system.result = (error,)
    assert find(resolver) == [IPV4_1]
    assert len(system.lookups) == 2


def test_an_older_address_is_used_if_the_resolver_hangs(system, resolver_clock, monkeypatch):
    monkeypatch.setattr(dns, "PATIENCE_SECONDS", 0.02)
    resolver = Resolver()
    find(resolver)
    resolver_clock.offset = dns.FRESH_SECONDS + 1
    system.release.clear()
    assert find(resolver) == [IPV4_1]
    assert resolver.abandoned() == 1
    system.result = (IPV4_2,)
    system.release.set()
    assert eventually(lambda: not resolver._running)
    assert find(resolver) == [IPV4_2]  # the late answer is fresh for the next call
    assert resolver.abandoned() == 0
    assert len(system.lookups) == 2


def test_an_older_address_is_not_used_for_ever(system, resolver_clock):
    resolver = Resolver()
    find(resolver)
    resolver_clock.offset = dns.STALE_SECONDS + 1
    system.result = (socket.gaierror(socket.EAI_AGAIN, "try again"),)
    with pytest.raises(ConnectionFailed, match="try again"):
        find(resolver)


@pytest.mark.parametrize("name", ["EAI_NONAME", "EAI_NODATA"])
def test_a_name_that_no_longer_exists_is_not_answered_from_the_cache(name, system, resolver_clock):
    if not hasattr(socket, name):
        pytest.skip(f"this system has no {name}")
    resolver = Resolver()
    find(resolver)
    resolver_clock.offset = dns.FRESH_SECONDS + 1
    system.result = (socket.gaierror(getattr(socket, name), "Name or service not known"),)
    for _ in range(2):
        with pytest.raises(ConnectionFailed, match="not known") as caught:
            find(resolver)
        assert caught.value.phase == "opening"


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "unknown"), UnicodeError("label"), RuntimeError("mine"), SystemExit(3)], ids=repr
)
def test_any_error_of_the_resolver_becomes_a_failed_connection(error, system):
    system.result = (error,)
    with pytest.raises(ConnectionFailed, match=f"no connection to {HOST}") as caught:
        find(Resolver())
    assert caught.value.__cause__ is error
    assert error.__traceback__ is None  # it would refer to the frames of the lookup's thread


@pytest.mark.parametrize("result", [(), ((socket.AF_INET, 1, 6, ""),)], ids=["nothing", "a short tuple"])
def test_an_answer_without_addresses_is_a_failed_connection(result, system):
    system.result = result
    with pytest.raises(ConnectionFailed, match="the resolver knows no address"):
        find(Resolver())


def test_the_number_of_cached_hosts_is_limited(system):
    resolver = Resolver()
    for number in range(dns.MAX_CACHED_HOSTS + 1):
        find(resolver, host=f"host{number}.example")
    find(resolver, host=f"host{dns.MAX_CACHED_HOSTS}.example")
    assert len(system.lookups) == dns.MAX_CACHED_HOSTS + 1
    find(resolver, host="host0.example")
    assert len(system.lookups) == dns.MAX_CACHED_HOSTS + 2


# Replaced resolvers


def test_an_answer_of_a_replacement_is_not_used_after_the_replacement_is_undone(system, monkeypatch):
    resolver = Resolver()
    assert find(resolver) == [IPV4_1]
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda *_: [IPV4_2])
        assert find(resolver) == [IPV4_2]
    assert find(resolver) == [IPV4_1]


def test_a_running_lookup_is_not_shared_with_a_replacement(system, monkeypatch):
    resolver = Resolver()
    system.release.clear()
    threads, results = run_in_threads(lambda: find(resolver), 1)
    assert eventually(lambda: resolver._running)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda *_: [IPV4_2])
        assert find(resolver) == [IPV4_2]
    system.release.set()
    join(threads)
    assert results == [[IPV4_1]]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.9", (socket.AF_INET, ("192.0.2.9", PORT))),
        ("2001:db8::9", (socket.AF_INET6, ("2001:db8::9", PORT, 0, 0))),
        ("::1", (socket.AF_INET6, ("::1", PORT, 0, 0))),
    ],
)
def test_a_literal_address_is_not_looked_up(host, expected, system):
    ((family, kind, protocol, name, address),) = find(Resolver(), host=host)
    assert (family, address) == expected
    assert (kind, protocol, name) == (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    assert system.lookups == []


@pytest.mark.parametrize("host", ["fe80::1%lo", "127.1", "2130706433", "0x7f.1", "localhost", "256.1.1.1"])
def test_other_hosts_are_looked_up(host, system):
    find(Resolver(), host=host)
    assert [name for name, _, _ in system.lookups] == [host]


def test_a_replaced_resolver_is_called_for_literal_addresses(monkeypatch):
    seen = []

    def getaddrinfo(host, *_):
        seen.append(host)
        raise RuntimeError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(ConnectionFailed, match="no network in tests"):
        find(Resolver(), host="192.0.2.9")
    assert seen == ["192.0.2.9"]


# The order of addresses


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([IPV4_1], [IPV4_1]),
        ([IPV4_1, IPV4_2], [IPV4_1, IPV4_2]),
        ([IPV6_1, IPV6_2, IPV4_1, IPV4_2], [IPV6_1, IPV4_1, IPV6_2, IPV4_2]),
        ([IPV4_1, IPV4_2, IPV4_3, IPV6_1], [IPV4_1, IPV6_1, IPV4_2, IPV4_3]),
        ([IPV6_1, IPV4_1, IPV4_2], [IPV6_1, IPV4_1, IPV4_2]),
        ([IPV6_1, IPV4_1, IPV6_2], [IPV6_1, IPV4_1, IPV6_2]),
    ],
    ids=len,
)
def test_the_address_families_alternate(found, expected, system):
    system.result = found
    assert find(Resolver()) == expected


def test_the_preferred_address_stays_first_after_the_next_lookup(system, resolver_clock):
    system.result = (IPV4_1, IPV4_2, IPV4_3)
    resolver = Resolver()
    find(resolver)
    resolver.prefer(HOST, PORT, IPV4_3)
    assert find(resolver) == [IPV4_3, IPV4_1, IPV4_2]
    resolver_clock.offset = dns.FRESH_SECONDS + 1
    assert find(resolver) == [IPV4_3, IPV4_1, IPV4_2]
    system.result = (IPV4_1, IPV4_2)
    resolver_clock.offset = 2 * dns.FRESH_SECONDS + 2
    assert find(resolver) == [IPV4_1, IPV4_2]


def test_an_unknown_address_is_not_preferred(system):
    resolver = Resolver()
    resolver.prefer(HOST, PORT, IPV4_2)
    find(resolver)
    resolver.prefer(HOST, PORT, IPV4_2)
    assert find(resolver) == [IPV4_1]
    assert len(system.lookups) == 1


# Limits


def test_the_number_of_lookups_that_hang_is_limited(system, resolver_clock, monkeypatch):
    monkeypatch.setattr(dns, "MAX_LOOKUPS", 3)
    resolver = Resolver()
    find(resolver)
    system.release.clear()
    for number in range(3):
        with pytest.raises(socket.timeout):
            find(resolver, 0.02, host=f"host{number}.example")
    assert resolver.abandoned() == 3
    with pytest.raises(ConnectionFailed, match="3 name lookups are running") as caught:
        find(resolver, host="host3.example")
    assert caught.value.phase == "refused"
    resolver_clock.offset = dns.FRESH_SECONDS + 1
    assert find(resolver) == [IPV4_1]  # from the cache
    with pytest.raises(socket.timeout):
        find(resolver, 0.02, host="host0.example")  # shares a lookup that hangs
    assert len(system.lookups) == 4
    system.release.set()
    assert eventually(lambda: resolver.abandoned() == 0)
    assert find(resolver, host="host3.example") == [IPV4_1]


def test_a_lookup_with_a_waiting_caller_is_not_abandoned(system):
    resolver = Resolver()
    system.release.clear()
    threads, _ = run_in_threads(lambda: find(resolver), 2)
    assert eventually(lambda: [each.waiters for each in resolver._running.values()] == [2])
    assert resolver.abandoned() == 0
    system.release.set()
    join(threads)


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_a_lookup_runs_in_the_calling_thread_if_no_thread_can_be_started(error, system, monkeypatch):
    def refuse(*_):
        raise error("can't start new thread")

    monkeypatch.setattr(dns, "start_thread", refuse)
    resolver = Resolver()
    assert find(resolver) == [IPV4_1]
    assert resolver._running == {}


def test_a_signal_during_the_start_of_the_thread_leaves_no_lookup_behind(system, monkeypatch):
    class Signal(BaseException):
        pass

    def raise_signal(*_):
        raise Signal

    resolver = Resolver()
    with monkeypatch.context() as patch:
        patch.setattr(dns, "start_thread", raise_signal)
        with pytest.raises(Signal):
            find(resolver)
    assert resolver._running == {}
    assert find(resolver) == [IPV4_1]


def test_a_lookup_whose_thread_never_begins_is_started_again(system, resolver_clock, monkeypatch):
    resolver = Resolver()
    with monkeypatch.context() as patch:
        patch.setattr(dns, "start_thread", lambda *_: None)
        with pytest.raises(socket.timeout):
            find(resolver, 0.02)
    resolver_clock.offset = dns.START_SECONDS + 1
    assert find(resolver) == [IPV4_1]
