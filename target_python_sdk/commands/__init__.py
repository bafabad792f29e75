"""The commands of ``target-sdk``, one module each.

A module of a command has two functions. ``add_parser`` adds its arguments, and ``run`` executes it
and returns the exit code. Imports that take time are in ``run``.
"""
