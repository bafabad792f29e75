"""Compares the speed of the SDK with urllib3, with 1.1.0 and with other SDKs.

Run ``python -m benchmarks`` in the root of the checkout. It prints one table. Each
comparison is measured within one run, in alternating rounds, because two runs on one
machine differ by more than most changes do.

To add a benchmark, write a module with a function ``figures(plan)`` that returns a
:class:`~benchmarks.figure.Section`, and add it to ``benchmarks/__main__.py``.
"""
