"""A test for runs of pytest with pytest-recording inside the process of a double; no part of the suite."""

from typing import Any, Callable

import pytest

#: Set by the process before each run.
ACT: Callable[[], Any] = list
FOLDER = ""


@pytest.fixture
def vcr_cassette_dir() -> str:
    return FOLDER


@pytest.mark.vcr
def test_call() -> None:
    ACT()
