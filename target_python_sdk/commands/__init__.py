"""The commands of ``target-sdk``, one module each.

The module of a command has two functions: ``add_parser`` adds the command and its arguments to the parser, and ``run``
executes the command and returns the exit code. The module of a group of commands has only ``add_parser``. Imports that
take time are in ``run``.
"""
