"""A test that ``phases.record_and_replay_with_plugin`` runs with pytest-recording; not part of the suite."""

from typing import Any, Callable

import pytest

#: The call to record or replay, and the folder of the cassettes. Set before each run.
ACT: Callable[[], Any] = list
FOLDER = ""


@pytest.fixture
def vcr_cassette_dir() -> str:
    return FOLDER


@pytest.mark.vcr
def test_call() -> None:
    ACT()
