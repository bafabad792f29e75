"""Tests of explanations of on-device decisions."""
