"""Do not collect ``test_schema.py`` if the schema is missing. The other tests do not need the schema."""

from tests.conftest import SHARED

collect_ignore = [] if (SHARED / "openapi").is_dir() else ["test_schema.py"]
