"""The rule artifact: where it comes from, how it is kept and renewed."""
