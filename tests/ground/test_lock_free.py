"""``BoundedTable`` keeps values by key, and evicts the least recently used ones."""

import itertools
import sys

import pytest

from target_tools.concurrency import lock_free
from target_tools.concurrency.lock_free import MAX_ENTRIES, BoundedTable
from target_tools.http.messages import Origin
from tests.support import in_threads, switching_often


def origin(number):
    return Origin("https", f"edge{number}.example.com", 443)


@pytest.fixture
def clock(monkeypatch):
    """Replace the clock with one that returns a later time at each reading."""
    readings = itertools.count(1.0)
    monkeypatch.setattr(lock_free, "monotonic", lambda: next(readings))


def test_a_value_is_created_once_for_each_origin(clock):
    table = BoundedTable(lambda key: [key.host])
    first = table.get(origin(1))
    assert first == ["edge1.example.com"]
    assert table.get(origin(1)) is first
    assert table.peek(origin(1)) is first
    assert table.peek(origin(2)) is None
    assert table.values() == [first]


def test_the_least_recently_used_entry_is_evicted(clock):
    evicted = []
    table = BoundedTable(lambda key: key, evicted.append, limit=3)
    for number in (1, 2, 3, 1, 4):
        table.get(origin(number))
    assert evicted == [origin(2)]
    table.peek(origin(3))  # does not count as a use
    table.get(origin(5))
    assert evicted == [origin(2), origin(3)]
    assert table.values() == [origin(1), origin(4), origin(5)]


def test_invented_hosts_do_not_displace_an_origin_in_use(clock):
    table = BoundedTable(lambda key: object())
    general = table.get(origin("general"))
    for number in range(1000):
        table.get(origin(number))
        assert table.get(origin("general")) is general
    assert len(table.values()) == MAX_ENTRIES


def test_a_stopped_clock_evicts_the_older_entry(monkeypatch):
    monkeypatch.setattr(lock_free, "monotonic", lambda: 5.0)
    table = BoundedTable(lambda key: key, limit=2)
    for number in range(10):
        assert table.get(origin(number)) == origin(number)
    assert table.values() == [origin(8), origin(9)]


def test_drop_removes_the_value_and_reports_it(clock):
    evicted = []
    table = BoundedTable(lambda key: [], evicted.append)
    first = table.get(origin(1))
    table.drop(origin(1))
    table.drop(origin(1))
    assert len(evicted) == 1
    assert evicted[0] is first
    assert table.get(origin(1)) is not first


def test_a_value_that_lost_the_race_for_its_place_is_evicted(clock):
    evicted = []
    created = []

    def make(key):
        value = [len(created)]
        created.append(value)
        if len(created) == 1:
            table.get(key)  # as a faster thread would
        return value

    table = BoundedTable(make, evicted.append)
    assert table.get(origin(1)) == [1]
    assert evicted == [[0]]


def test_a_signal_at_any_line_leaves_the_table_usable(clock):
    """Raise at every line of an insertion that evicts; the table must stay usable."""

    class Interrupt(Exception):
        pass

    line_count = 0
    while True:
        evicted = []
        table = BoundedTable(lambda key: key, evicted.append, limit=3)
        for number in range(3):
            table.get(origin(number))
        remaining = [line_count]

        def trace(frame, event, argument, remaining=remaining):
            if frame.f_code.co_filename != lock_free.__file__:
                return None
            if event == "line":
                if remaining[0] == 0:
                    raise Interrupt
                remaining[0] -= 1
            return trace

        previous = sys.gettrace()
        sys.settrace(trace)
        try:
            table.get(origin(3))
            interrupted = False
        except Interrupt:
            interrupted = True
        finally:
            sys.settrace(previous)
        for number in (4, 5, 4, 5):
            assert table.get(origin(number)) == origin(number)
        assert len(table.values()) == 3
        assert {origin(4), origin(5)} < set(table.values())
        if not interrupted:
            break
        line_count += 1
    assert line_count > 10


def test_threads_share_one_value_for_each_origin():
    """Up to the limit, no value is lost or duplicated, and only values that lost a race are evicted."""
    created, evicted, ids = [], [], []

    def make(key):
        value = [key]
        created.append(value)
        return value

    table = BoundedTable(make, evicted.append)

    def work(_):
        for _ in range(50):
            for number in range(MAX_ENTRIES):
                ids.append(id(table.get(origin(number))))

    with switching_often():
        in_threads(16, work)
    assert set(ids) == {id(value) for value in table.values()}
    assert len(table.values()) == MAX_ENTRIES
    assert len(created) == len(evicted) + MAX_ENTRIES


def test_threads_that_insert_beyond_the_limit_lose_no_value():
    created, evicted, mismatches = [], [], []

    def make(key):
        value = [key]
        created.append(value)
        return value

    table = BoundedTable(make, evicted.append, limit=8)

    def work(thread):
        for number in range(7 * thread, 7 * thread + 500):
            key = origin(number % 50)
            if table.get(key) != [key]:
                mismatches.append(key)

    with switching_often():
        in_threads(8, work)
    assert mismatches == []
    remaining = table.values()
    assert 1 <= len(remaining) <= 8
    # Every value is either in the table or was passed to on_evict, exactly once.
    assert sorted(map(id, created)) == sorted([*map(id, remaining), *map(id, evicted)])
