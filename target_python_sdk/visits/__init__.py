"""The visitor, page and browser of one request to an application, independent of its web framework."""
