"""Figures in the table of the reliability tests, whose numbers these bear too, and a broker for all."""

import pytest

from tests.reliability.conftest import figure, pytest_terminal_summary
from tests.servers.brokers import start_broker

__all__ = ["broker", "figure", "pytest_terminal_summary"]


@pytest.fixture(scope="session")
def broker():
    """A Redis of our own, or a folder where there is none."""
    running = start_broker()
    yield running
    running.stop()
