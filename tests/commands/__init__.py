"""Tests of the commands of ``target-sdk``."""
