"""The page of the local edge: its activities, the decisions for a visitor, simulated traffic, and live events.

The HTML, CSS and JavaScript are in the files beside this module. The page loads nothing from other servers.
"""
