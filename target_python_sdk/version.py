"""The version of the distribution; setup.cfg reads it here."""

__version__ = "2.0.0"
