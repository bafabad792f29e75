"""The pages are code: every example in them runs."""
