"""Decides on this machine, by a rule artifact; opens no socket and starts no thread."""
