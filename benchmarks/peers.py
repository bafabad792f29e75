"""Installs the peers, each in a separate environment, or returns the reason why one is missing."""

import configparser
import shutil
from typing import Union

from benchmarks.environment import npm_folder_with, python_with
from benchmarks.plan import CONFIGCAT, GROWTHBOOK, LAUNCHDARKLY, OLD, SPEEDUPS, Library, NodeRelease, NotRun, OldRelease
from benchmarks.process import ROOT

#: The packages that 1.1.0 imports, in versions that it works with. It declares no dependencies.
_OLD_PACKAGES = (
    "target-python-sdk==" + OLD,
    "requests",
    "six",
    "urllib3",
    "certifi",
    "python-dateutil",
    "tzlocal",
    "tld",
    "user-agents",
    "json-logic-qubit",
    "setuptools<82",
)
_NODE_SDK = "@adobe/target-nodejs-sdk"
_NODE_SDK_VERSION = "2.4.3"
_OPTIMIZELY_VERSION = "5.7.0"
#: The package, the version and the module of each library in ``FIELD``.
_FIELD = {
    LAUNCHDARKLY: ("launchdarkly-server-sdk", "9.20.0", "ldclient"),
    GROWTHBOOK: ("growthbook", "4.0.0", "growthbook"),
    CONFIGCAT: ("configcat-client", "10.0.1", "configcatclient"),
}


def old_release() -> Union[OldRelease, NotRun]:
    """Install target-python-sdk 1.1.0."""
    found = python_with(OLD, _OLD_PACKAGES, "from target_python_sdk import TargetClient")
    return found if isinstance(found, NotRun) else OldRelease(found)


def optimizely() -> Union[Library, NotRun]:
    """Install optimizely-sdk, the main peer of the benchmark ``flags``."""
    package = f"optimizely-sdk=={_OPTIMIZELY_VERSION}"
    found = python_with(f"optimizely-{_OPTIMIZELY_VERSION}", (package,), "from optimizely import optimizely")
    return found if isinstance(found, NotRun) else Library(found)


def in_the_field(name: str) -> Union[Library, NotRun]:
    """Install one of the libraries in ``FIELD``."""
    package, version, module = _FIELD[name]
    found = python_with(f"{package}-{version}", (f"{package}=={version}",), f"import {module}")
    return found if isinstance(found, NotRun) else Library(found)


def speedups() -> Union[Library, NotRun]:
    """Install the packages that this checkout and its extra ``speedups`` require."""
    settings = configparser.ConfigParser()
    settings.read(str(ROOT / "setup.cfg"), encoding="utf-8")
    extra = [line for line in settings.get("options.extras_require", SPEEDUPS, fallback="").splitlines() if line]
    if not extra:
        return NotRun(f"the extra {SPEEDUPS!r} does not exist")
    required = [line for line in settings.get("options", "install_requires").splitlines() if line]
    found = python_with(SPEEDUPS, (*required, *extra), "import mmh3, orjson")
    return found if isinstance(found, NotRun) else Library(found)


def node_release() -> Union[NodeRelease, NotRun]:
    """Install the SDK for Node.js, for the first ``node`` on the path."""
    node = shutil.which("node")
    if node is None:
        return NotRun("node is not installed")
    found = npm_folder_with(f"node-sdk-{_NODE_SDK_VERSION}", f"{_NODE_SDK}@{_NODE_SDK_VERSION}")
    return found if isinstance(found, NotRun) else NodeRelease(node, found)
