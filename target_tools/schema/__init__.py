"""The base class of the Delivery API's types, and their fields."""
