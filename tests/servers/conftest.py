"""Shared fixtures: the table of measurements of the reliability tests, and one message broker for the session."""

import pytest

from tests.reliability.conftest import figure, pytest_terminal_summary
from tests.servers.brokers import start_broker

__all__ = ["broker", "figure", "pytest_terminal_summary"]


@pytest.fixture(scope="session")
def broker():
    """A Redis server started for the tests, or a folder if Redis is missing."""
    running = start_broker()
    yield running
    running.stop()
