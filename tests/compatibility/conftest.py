"""Leaves out the comparison with the reference list of names if that is not present; our list is committed."""

from tests.conftest import SHARED

collect_ignore = [] if (SHARED / "reference").is_dir() else ["test_names_of_1_1_0.py"]
