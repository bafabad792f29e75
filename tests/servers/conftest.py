"""The table of figures of the reliability tests, and a broker for all tests."""

import pytest

from tests.reliability.conftest import figure, pytest_terminal_summary
from tests.servers.brokers import start_broker

__all__ = ["broker", "figure", "pytest_terminal_summary"]


@pytest.fixture(scope="session")
def broker():
    """A separate Redis, or a folder if Redis is missing."""
    running = start_broker()
    yield running
    running.stop()
