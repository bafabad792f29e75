"""Skips the comparison of ``names_of_1_1_0.json`` with the reference list if that list is not present."""

from tests.conftest import SHARED

collect_ignore = [] if (SHARED / "reference").is_dir() else ["test_names_of_1_1_0.py"]
