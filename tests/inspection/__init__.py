"""The inspection of rule artifacts."""
