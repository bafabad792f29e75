"""Deadlines, which use the real time even while a test freezes the time."""

import subprocess
import sys
import textwrap
import time

import pytest

from target_tools import clock
from target_tools.clock import Deadline

#: Defines ``freeze``, ``unfreeze`` and ``check``. Like freezegun, ``freeze`` replaces functions of ``time`` and every
#: module attribute that refers to one of them.
FREEZE = """
import sys, time

real = {name: getattr(time, name) for name in ("time", "monotonic", "perf_counter")}

def freeze():
    def frozen():
        return 5.0

    for name, function in real.items():
        setattr(time, name, frozen)
        for module in list(sys.modules.values()):
            if module is not None:
                for key, value in list(vars(module).items()):
                    if value is function:
                        setattr(module, key, frozen)

def unfreeze():
    for name, function in real.items():
        setattr(time, name, function)

def check():
    before = clock.monotonic()
    assert abs(before - real["monotonic"]()) < 60, before
    deadline = clock.Deadline.after(1000)
    end = real["monotonic"]() + 0.01
    while real["monotonic"]() < end:
        pass
    assert clock.monotonic() >= before + 0.01
    assert deadline.remaining() <= 999.99
"""


def run(script):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", FREEZE + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.process
@pytest.mark.parametrize(
    "script",
    [
        """
        from target_tools import clock
        check()
        freeze()
        assert time.monotonic() == 5.0
        check()
        assert clock.epoch_seconds() == 5.0  # wall-clock time is frozen
        unfreeze()
        check()
        """,
        pytest.param(
            """
            freeze()
            from target_tools import clock
            assert time.monotonic() == 5.0
            check()
            unfreeze()
            check()
            freeze()
            check()
            """,
            marks=pytest.mark.skipif(
                not hasattr(time, "clock_gettime"),
                reason="this system has no monotonic clock other than time.monotonic",
            ),
        ),
    ],
    ids=["imported before", "imported while the time is frozen"],
)
def test_frozen_time_does_not_affect_deadlines(script):
    done = run(script)
    assert (done.returncode, done.stderr) == (0, "")


def test_at_most_returns_the_earlier_deadline(monkeypatch):
    monkeypatch.setattr(clock, "monotonic", lambda: 100.0)
    deadline = Deadline.after(10.0)
    assert deadline == Deadline(110.0, 10.0)
    assert deadline.at_most(10.0) is deadline
    assert deadline.at_most(20.0) is deadline
    assert deadline.at_most(4.0) == Deadline(104.0, 4.0)
    monkeypatch.setattr(clock, "monotonic", lambda: 112.0)
    assert deadline.remaining() == -2.0
