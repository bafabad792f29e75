"""The version. It is the same as in setup.cfg."""

__version__ = "2.0.0"
