"""The integrations, tested without a real broker or web server."""
