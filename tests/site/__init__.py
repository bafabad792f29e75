"""Checks of the built documentation in Chromium. ``make site`` builds it and runs them."""
