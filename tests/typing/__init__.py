"""Code for type checkers. Only the test is executed."""
