"""Excludes ``test_names_of_1_1_0`` from the collection if the folder of its reference list is missing."""

from tests.conftest import SHARED

collect_ignore = [] if (SHARED / "reference").is_dir() else ["test_names_of_1_1_0.py"]
