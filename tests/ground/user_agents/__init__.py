"""User-Agents of real browsers, and what a parser that others wrote makes of them."""
