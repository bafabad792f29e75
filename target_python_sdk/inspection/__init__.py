"""Inspects rule artifacts and activities files: their mistakes, their differences, and the split of traffic."""
