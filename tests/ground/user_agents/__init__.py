"""User-Agents of real browsers, and the results of an independent parser for them."""
