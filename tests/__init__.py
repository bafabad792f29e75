"""The suite: one folder per floor of the house, and the house itself in ``house/``."""
