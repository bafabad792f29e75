"""Test ``target_python_sdk.testing`` and the pytest plugin."""
