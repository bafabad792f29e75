"""The observers of a client, and its statistics."""
