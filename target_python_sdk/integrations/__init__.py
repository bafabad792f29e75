"""Integrations with servers and task queues."""
