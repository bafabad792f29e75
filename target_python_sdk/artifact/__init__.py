"""The rule artifact of a client: its download, its cache and its updates."""
