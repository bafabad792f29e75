"""Tests that names of 1.1.0 exist and behave as they did."""
