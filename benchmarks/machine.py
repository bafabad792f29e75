"""Where the figures come from."""

import os
import platform
from pathlib import Path
from typing import Dict

import urllib3._version


def machine() -> Dict[str, str]:
    """The facts without which a figure says little."""
    facts = {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "system": "{} {}".format(platform.system(), platform.machine()),
        "python": "{} {}".format(platform.python_implementation(), platform.python_version()),
        "urllib3": str(urllib3._version.__version__),
    }
    if hasattr(os, "getloadavg"):
        facts["load before"] = "{:.1f}".format(os.getloadavg()[0])
    return facts


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
