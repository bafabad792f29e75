"""Types of 1.1.0 that do not depend on Target."""

from target_tools.types import limited_key_dict as limited_key_dict
