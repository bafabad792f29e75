"""Threads, waits and processes: everything that runs beside the caller."""
