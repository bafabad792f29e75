"""The commands of ``target-sdk``."""
