"""The page of the local edge: what it serves, who gets what, and what happens.

The page itself is HTML, CSS and JavaScript in the files beside this module. It loads only what the edge serves.
"""
