"""The ground floor: Python and bytes.  Knows nothing of Target's API and nothing of a client."""
