"""HTTP doubles and monitors that worked with 1.1.0: each must see, answer or block the SDK's requests.

``python -m tests.doubles`` prints the table in ``docs/testing.md`` with the results of this environment.
"""
