"""Do not collect the comparison with the schema's YAML if the schema is missing. The other tests do not need it."""

from tests.conftest import SHARED

collect_ignore = [] if (SHARED / "openapi").is_dir() else ["test_schema.py"]
