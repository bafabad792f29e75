"""Tests of the inspection of rule artifacts."""
