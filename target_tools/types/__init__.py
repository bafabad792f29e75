"""1.1.0's types that know nothing of Target."""

from target_tools.types import limited_key_dict as limited_key_dict
