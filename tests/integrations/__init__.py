"""In task queues and servers, without a real one."""
