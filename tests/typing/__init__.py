"""Read by type checkers; nothing here but the test itself is executed."""
