"""Tests of the project itself: layers, code rules, the public API, imports and packaging."""
