"""Run the examples in the README and in ``docs/``, and check the tables there."""
