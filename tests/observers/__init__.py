"""What observers of a client receive, how they affect it, and the statistics of a client."""
