"""Time that freezegun or time-machine has frozen: sessions, cookies and timestamps follow it, deadlines do not."""

import asyncio
import contextlib
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, ContextManager, Iterator

import pytest

from target_python_sdk.errors import DeadlineExceeded
from target_python_sdk.testing import FakeTargetClient
from target_python_sdk.types import DeliveryRequest, MboxRequest, PrefetchRequest
from tests.support import installing

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=timezone.utc)
HERO = DeliveryRequest(prefetch=PrefetchRequest(mboxes=[MboxRequest(name="hero")]))

#: Moves the frozen time forward.
Move = Callable[[timedelta], object]


@contextlib.contextmanager
def frozen_by_freezegun() -> Iterator[Move]:
    freezegun: Any = pytest.importorskip("freezegun", reason="freezegun is not installed: " + installing("test"))
    with freezegun.freeze_time(NOON) as clock:
        yield clock.tick


@contextlib.contextmanager
def frozen_by_time_machine() -> Iterator[Move]:
    machine: Any = pytest.importorskip("time_machine", reason="time-machine is not installed: " + installing("test"))
    with machine.travel(NOON, tick=False) as clock:
        yield clock.shift


@pytest.fixture(params=[frozen_by_freezegun, frozen_by_time_machine])
def frozen(request: pytest.FixtureRequest) -> Callable[[], ContextManager[Move]]:
    """Return a function that freezes the time for a ``with`` block."""
    function: Callable[[], ContextManager[Move]] = request.param
    return function


@pytest.fixture(params=["server-side", "on-device"])
def target(request: pytest.FixtureRequest) -> Iterator[FakeTargetClient]:
    with FakeTargetClient.create(decisioning_method=request.param) as client:
        yield client


def device_in(cookie: str) -> str:
    """Return the device id in an ``mbox`` cookie."""
    return cookie.partition("PC#")[2].partition("#")[0]


def test_sessions_and_cookies_expire_in_frozen_time(target: FakeTargetClient, frozen: Any) -> None:
    with frozen() as move:
        first = target.get_offers(request=HERO)
        cookie = first.target_cookie["value"]
        assert f"#{int(NOON.timestamp()) + 1860}|" in cookie
        move(timedelta(minutes=30))
        assert target.get_offers(request=HERO, target_cookie=cookie).session_id == first.session_id
        move(timedelta(minutes=2))
        later = target.get_offers(request=HERO, target_cookie=cookie)
        assert later.session_id != first.session_id
        assert device_in(later.target_cookie["value"]) == device_in(cookie)
        move(timedelta(days=800))
        much_later = target.get_offers(request=HERO, target_cookie=cookie)
        assert device_in(much_later.target_cookie["value"]) != device_in(cookie)


def test_notifications_have_the_frozen_time(target: FakeTargetClient, frozen: Any) -> None:
    target.show("hero", html="B")
    with frozen():
        hero = target.get_offers(request=HERO).offer("hero")
        target.send_notifications(request=DeliveryRequest(notifications=[hero.display()]))
        (sent,) = [each for each in target.requests if each.notifications]
        assert target.displayed == ["hero"]
    assert sent.notifications is not None
    assert sent.notifications[0].timestamp == NOON.timestamp() * 1000


def test_conditions_on_the_time_hold_in_frozen_time(target: FakeTargetClient, frozen: Any) -> None:
    with frozen() as move:
        target.load({"activities": [{
            "id": 1,
            "locations": ["hero"],
            "audience": {"<": [{"var": "current_timestamp"}, NOON.timestamp() * 1000 + 60_000]},
            "experiences": [{"offer": {"html": "before 12:01"}}],
        }]})  # fmt: skip
        assert target.get_offers(request=HERO).offer("hero").html == "before 12:01"
        move(timedelta(minutes=2))
        assert target.get_offers(request=HERO).offer("hero").html is None


def test_deadlines_and_waits_follow_the_real_clock(frozen: Any) -> None:
    with frozen(), FakeTargetClient.create(timeout=60) as target:
        target.show("hero", html="B")

        async def offers() -> Any:
            return await target.get_offers_async(request=HERO)

        assert target.get_offers(request=HERO, callback=print).get(20).offer("hero").html == "B"
        assert target.flush()
        with target.slow(1):
            assert asyncio.run(offers()).offer("hero").html == "B"
        with target.slow(50_000), pytest.raises(DeadlineExceeded):
            target.get_offers(request=HERO)
