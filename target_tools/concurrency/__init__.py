"""Threads, waits, and the handling of forks and of the process exit."""
