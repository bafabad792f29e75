"""The pytest plugin: its fixtures, alone or with pytest-xdist, and its imports at the start of pytest."""

import configparser
import importlib.util
from pathlib import Path

import pytest

from tests.support import run_pytest, run_python

#: Each test has to find a client without offers and requests, whichever tests its process ran before.
ISOLATED = """
REQUEST = {"execute": {"mboxes": [{"name": "hero"}]}}


@pytest.mark.parametrize("number", range(12))
def test_each_test_gets_a_new_client(target, number):
    assert target.get_offers(request=REQUEST).offer("hero").html is None
    target.show("hero", html=str(number))
    assert target.get_offers(request=REQUEST).offer("hero").html == str(number)
    assert (target.displayed, len(target.requests)) == (["hero"], 2)
    target.fail_with(503)
"""

FIXTURES = """
import http.client

import pytest


class TestOptions:
    @pytest.fixture
    def target_options(self):
        return {"client": "shop", "decisioning_method": "on-device"}

    def test_the_options_are_those_of_the_client(self, target):
        assert target.config["client"] == "shop"
        assert target.decisioning_engine is not None


def test_the_default_options(target):
    assert target.decisioning_engine is None


def test_the_edge_listens(local_edge):
    connection = http.client.HTTPConnection(local_edge.host, local_edge.port)
    connection.request("GET", "/acmeclient/production/v1/rules.json")
    assert connection.getresponse().status == 200
    connection.close()
    assert local_edge.activities.activities == ()
"""


@pytest.mark.server
def test_each_test_gets_its_own_client_and_edge(tmp_path: Path) -> None:
    """The tests run in parallel if pytest-xdist is installed."""
    parallel = () if importlib.util.find_spec("xdist") is None else ("-p", "xdist", "-n", "2")
    tests = tmp_path / "test_program.py"
    tests.write_text(FIXTURES + ISOLATED, encoding="utf-8")
    assert run_pytest(tests, *parallel) == "15 passed"


@pytest.mark.process
def test_the_plugin_imports_nothing_of_the_sdk() -> None:
    """The plugin does not slow down the start of pytest for users who do not need it."""
    program = (
        "import sys, pytest; known = set(sys.modules); import target_tools.pytest_plugin;"
        "print(sorted(set(sys.modules) - known))"
    )
    process = run_python("-c", program)
    assert (process.returncode, process.stdout) == (0, "['target_tools', 'target_tools.pytest_plugin']\n")


def test_pytest_finds_the_plugin(root: Path) -> None:
    config = configparser.ConfigParser()
    config.read(str(root / "setup.cfg"), encoding="utf-8")
    assert config["options.entry_points"]["pytest11"].strip() == "target = target_tools.pytest_plugin"
