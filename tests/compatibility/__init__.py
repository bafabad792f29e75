"""1.1.0's names, and what they do."""
