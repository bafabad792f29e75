"""Explains on-device decisions: which rule decided, and why the others did not."""
