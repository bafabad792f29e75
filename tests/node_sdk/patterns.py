"""Patterns for the values of known differences."""

import re

ABSENT = '^"<absent>"$'
ANY = "."


def exactly(text: str) -> str:
    """Return a pattern for exactly this JSON."""
    return "^" + re.escape(text) + "$"


def words(*texts: str) -> str:
    """Return a pattern for one of these strings, encoded as JSON once, or twice like the value of an attribute."""
    return r'^"(\\")?(' + "|".join(map(re.escape, texts)) + r')(\\")?"$'
