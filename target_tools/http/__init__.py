"""HTTP/1.1 over urllib3: messages, connections, retries and circuit breaking."""
