"""Threads, waits, and what happens at a fork and at process exit."""
