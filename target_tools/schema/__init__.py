"""The base class of the wire types, and the fields that it declares."""
