"""Code for type checkers, and the tests that run the checkers. Only the tests are executed."""

import sys

import pytest

#: The newest mypy for Python 3.8 infers less than the one that the project uses on other interpreters.
needs_current_mypy = pytest.mark.skipif(sys.version_info < (3, 9), reason="mypy is no longer developed for Python 3.8")
