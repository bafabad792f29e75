"""The pytest plugin: fixtures for tests of applications.

pytest imports this module at each start, so it imports nothing of the SDK. It is in this package because importing
``target_python_sdk`` imports the client.
"""

from typing import TYPE_CHECKING, Any, Iterator, Mapping

import pytest

if TYPE_CHECKING:
    from target_python_sdk.local_edge import LocalEdge
    from target_python_sdk.testing import FakeTargetClient


@pytest.fixture
def target_options() -> Mapping[str, Any]:
    """Return the options of the client ``target``. Override this fixture to set, for example, a decisioning method."""
    return {}


@pytest.fixture
def target(target_options: Mapping[str, Any]) -> "Iterator[FakeTargetClient]":
    """Return a client without a network. The test chooses its offers, and sees what was displayed and clicked."""
    from target_python_sdk.testing import FakeTargetClient  # noqa: PLC0415 - only tests with the fixture need it

    with FakeTargetClient.create(dict(target_options)) as client:
        yield client


@pytest.fixture
def local_edge() -> "Iterator[LocalEdge]":
    """Return a local edge that listens on a free port. It has no activities until the test loads some."""
    from target_python_sdk.local_edge import LocalEdge  # noqa: PLC0415 - only tests with the fixture need it

    with LocalEdge({"activities": []}) as edge:
        yield edge
