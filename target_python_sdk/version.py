"""The version, as setup.cfg says it."""

__version__ = "2.0.0.dev0"
