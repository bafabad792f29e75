"""The SDK in the servers and task queues that people run it in; each module here needs what it is named after."""
