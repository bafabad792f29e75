"""1.1.0's types that know nothing of Target."""
