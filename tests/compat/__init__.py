"""The proof that users of 1.1.0 can switch: the same calls through both, compared.

The programs in ``both/`` know public names only and run under either package, in a process of their own, against
servers of the test process.  What was asked of the servers, and what came back, is compared with what was recorded of
1.1.0 (``recorded/``); ``on_purpose.py`` lists the differences that are meant, each with its reason.  A difference that
is not in the list fails, and so does an entry of the list that no longer occurs.  ``test_on_purpose.py`` mutates the
recorded side and holds the list to letting nearly none of that pass.

Where 1.1.0 is installed, the recording is checked, too::

    python3.11 -m venv v110
    v110/bin/pip install --requirement requirements/comparison.txt
    TARGET_SDK_1_1_0=v110/bin/python python -m pytest tests/compat

That venv stays as it is while ours varies: texts of Python and of urllib3 are part of what it says.  After a change of
a scenario, or of the local edge's answers, record again and look at the difference::

    TARGET_SDK_1_1_0=v110/bin/python python -m tests.compat.record

``-m soak`` builds many more models, by other dice, where 1.1.0 is installed.
"""
