"""Failures in production, reproduced with real sockets, threads and processes.

``tests/numbers.md`` explains the numbers in test names.
"""
