"""How fast the SDK is, beside what it is built on and what it follows.

``python -m benchmarks`` from the checkout's root prints one table.  Every
comparison is made within one run, interleaved round by round, because two runs
on one machine already differ by more than most changes.

A further benchmark is one more module with a ``figures(plan)`` that returns
:class:`~benchmarks.figure.Figure` values, named in ``benchmarks/__main__.py``.
"""
