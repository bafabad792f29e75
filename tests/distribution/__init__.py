"""Tests of the built distributions, installed outside the checkout: ``make dist-check``."""
