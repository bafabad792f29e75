"""Support for PyInstaller, which finds :func:`hook_directories` by the entry point ``pyinstaller40``."""

import os
from typing import List


def hook_directories() -> List[str]:
    """Return the folder with the hook, which adds data files and lazily imported modules to frozen applications."""
    return [os.path.dirname(__file__)]
