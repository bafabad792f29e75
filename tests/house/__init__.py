"""The shape of the house: floors, manners, packaging.  Read off the source, not off a running client."""
