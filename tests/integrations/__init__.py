"""Integrations with task queues and servers, tested without a real one."""
