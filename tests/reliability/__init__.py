"""Failures in production, reproduced with real sockets, threads and processes. Test names start with their numbers."""
