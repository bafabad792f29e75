"""An import starts no thread, opens no socket, prints nothing and leaves the application's settings alone."""

import pytest

from tests.support import run_python

pytestmark = pytest.mark.process

#: Run in a fresh interpreter. Fails if the import has a side effect.
WATCHED_IMPORT = """
import logging, os, signal, sys, threading, warnings

events = []
sys.addaudithook(lambda event, args: event.startswith("socket.") and events.append(event))

def global_state():
    loggers = [logging.getLogger(name) for name in ("", "urllib3", "http.client", "adobe.target")]
    return (
        [(logger.name, logger.level, logger.handlers[:], logger.disabled) for logger in loggers],
        [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
        warnings.filters[:],
    )

import urllib3  # the side effects of urllib3 do not count
before, events[:] = global_state(), []

from target_python_sdk import TargetClient

assert global_state() == before, (before, global_state())
assert threading.active_count() == 1, threading.enumerate()
assert events == [], events
"""


@pytest.mark.parametrize("name", ["target_python_sdk.TargetClient", "delivery_api_client.DeliveryRequest"])
def test_importing_prints_nothing_under_w_error(name: str) -> None:
    """Neither ``target_python_sdk`` nor ``delivery_api_client`` writes any output or warning."""
    package, _, thing = name.partition(".")
    process = run_python("-c", f"from {package} import {thing}")
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


def test_importing_loads_nothing_that_only_a_call_needs() -> None:
    """The import loads neither ``six`` nor the modules of a call. The first client loads the latter."""
    program = (
        "import sys, target_python_sdk.client as client; late = [name for name in sys.modules if name in {!r}];"
        "client.TargetClient.create(dict(client='a', organization_id='b@AdobeOrg')).close();"
        "sys.exit(', '.join(late) or 'target_python_sdk.runtime' not in sys.modules and 'not loaded by create' or 0)"
    )
    late = ["six", "target_python_sdk.runtime", "target_python_sdk.delivery.exchange", "target_tools.http.transport"]
    process = run_python("-c", program.format([*late, "target_python_sdk.delivery.option_types"]))
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


def test_the_option_types_can_be_imported() -> None:
    """The package has them as attributes and lists them in ``__all__`` and ``dir``. Other names do not exist."""
    program = (
        "import target_python_sdk as sdk; from target_python_sdk import *; from target_python_sdk import errors;"
        "assert set(sdk.__all__) <= set(dir(sdk)) & set(globals());"
        "assert ClientOptions is sdk.ClientOptions;"
        "assert not hasattr(sdk, 'Nonsense')"
    )
    process = run_python("-c", program)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


def test_importing_has_no_side_effects() -> None:
    """An import starts no thread, opens no socket, and does not change loggers, signal handlers or warning filters."""
    process = run_python("-c", WATCHED_IMPORT)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
