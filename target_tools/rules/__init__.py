"""JSON-logic rules, compiled to closures."""
