"""Importing is quiet: no thread, no socket, nothing printed, nothing of the host's changed."""

import subprocess
import sys
from pathlib import Path

import pytest

#: Run in a fresh interpreter; prints what the import did that a guest does not do.
WATCHED_IMPORT = """
import logging, os, signal, sys, threading, warnings

events = []
sys.addaudithook(lambda event, args: event.startswith("socket.") and events.append(event))

def host_state():
    loggers = [logging.getLogger(name) for name in ("", "urllib3", "http.client", "adobe.target")]
    return (
        [(logger.name, logger.level, logger.handlers[:], logger.disabled) for logger in loggers],
        [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
        warnings.filters[:],
    )

import urllib3  # what the requirement itself does is not ours to answer for
before, events[:] = host_state(), []

from target_python_sdk import TargetClient

assert host_state() == before, (before, host_state())
assert threading.active_count() == 1, threading.enumerate()
assert events == [], events
"""


def in_a_fresh_python(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What an interpreter that has loaded nothing yet says and how it ends."""
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=str(root), capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", ["target_python_sdk.TargetClient", "delivery_api_client.DeliveryRequest"])
def test_importing_prints_nothing_under_w_error(root: Path, name: str) -> None:
    """Not a word, and no warning turned error, at the front door and at the old one."""
    package, _, thing = name.partition(".")
    done = in_a_fresh_python(root, "-c", "from {} import {}".format(package, thing))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_reads_nothing_that_only_a_call_needs(root: Path) -> None:
    """What answers calls comes with the first client, and the rest with its first use."""
    program = (
        "import sys, target_python_sdk.client as client; late = [name for name in sys.modules if name in {!r}];"
        "client.TargetClient.create(dict(client='a', organization_id='b')).close();"
        "sys.exit(', '.join(late) or 'target_python_sdk.runtime' not in sys.modules and 'not there after create' or 0)"
    )
    late = ["six", "target_python_sdk.runtime", "target_python_sdk.delivery.pipeline", "target_tools.http.transport"]
    done = in_a_fresh_python(root, "-c", program.format([*late, "target_python_sdk.delivery.option_types"]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_types_of_options_come_when_they_are_asked_for(root: Path) -> None:
    """By name, by a star, and in what ``dir`` shows; a name that nobody has is an error."""
    program = (
        "import target_python_sdk as sdk; from target_python_sdk import *; from target_python_sdk import errors;"
        "assert set(sdk.__all__) <= set(dir(sdk)) & set(globals());"
        "assert ClientOptions is sdk.ClientOptions;"
        "assert not hasattr(sdk, 'Nonsense')"
    )
    done = in_a_fresh_python(root, "-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_changes_nothing_of_the_host(root: Path) -> None:
    """No thread started, no socket made, no logger, signal handler or warning filter touched."""
    done = in_a_fresh_python(root, "-c", WATCHED_IMPORT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
