"""Compare the results of calls through 1.1.0 and through this SDK.

The programs in ``both/`` use only public names. They run in separate processes, each of which imports one of the two
packages and calls servers in the test process. The test compares the requests that these servers received, and the
results of the calls, with a recording of 1.1.0 (``recorded/``). ``known_differences.py`` lists every intended
difference with its reason. The test fails for a difference that is not in the list, and for an entry that no longer
occurs. ``test_known_differences.py`` makes random changes to the recording and checks that the list excuses almost none
of these changes.

If 1.1.0 is installed, the tests also compare the recording with it::

    python3.11 -m venv v110
    v110/bin/pip install --requirement requirements/comparison.txt
    TARGET_SDK_1_1_0=v110/bin/python python -m pytest tests/comparison

Do not upgrade the packages in that environment: the results contain messages of Python and of urllib3. After a change
to a scenario or to the local edge's answers, record again and review the diff::

    TARGET_SDK_1_1_0=v110/bin/python python -m tests.comparison.record

With ``-m soak``, and if 1.1.0 is installed, the tests build many more models, from another seed.
"""
