"""Compare the results of calls through 1.1.0 and through this SDK.

The programs in ``both/`` use only public names. Each runs in a process with one of the two packages, against servers
of the test process. The test compares the requests that these servers got, and the results of the calls, with a
recording of 1.1.0 (``recorded/``). ``known_differences.py`` lists every intended difference with its reason. A
difference that is not in the list fails, and so does an entry that no longer occurs. ``test_known_differences.py``
changes the recording at random places and checks that the list excuses almost none of these changes.

If 1.1.0 is installed, the tests check the recording as well::

    python3.11 -m venv v110
    v110/bin/pip install --requirement requirements/comparison.txt
    TARGET_SDK_1_1_0=v110/bin/python python -m pytest tests/comparison

Keep the versions in that environment, because the results contain messages of Python and of urllib3. After a change of
a scenario, or of the local edge's answers, record again and review the difference::

    TARGET_SDK_1_1_0=v110/bin/python python -m tests.comparison.record

``-m soak`` builds many more models from another seed, if 1.1.0 is installed.
"""
