"""What every test may ask for."""

import logging
import os
from pathlib import Path
from typing import List

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

#: Marks of the long runs, which have a ``make`` target each and are not part of the suite.
LONG_RUNS = ("soak", "fuzz")


# Calls of the main thread are sent in it, as in production: with urllib3's debug log they use a helper thread.
logging.getLogger("urllib3").setLevel(logging.INFO)

# A busy machine may take any time for an example.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of schema and conformance cases beside the checkout, or where ``TARGET_SHARED`` points."""
    folder = Path(os.environ.get("TARGET_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip("no shared cases at {}: set TARGET_SHARED to their folder".format(folder))
    return folder


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """A long run takes part only where ``-m`` names it."""
    asked_for = config.option.markexpr
    left_out = [mark for mark in LONG_RUNS if mark not in asked_for]
    kept: List[pytest.Item] = []
    long_runs: List[pytest.Item] = []
    for item in items:
        (long_runs if any(item.get_closest_marker(mark) for mark in left_out) else kept).append(item)
    if long_runs:
        config.hook.pytest_deselected(items=long_runs)
        items[:] = kept
