"""The built files: their bytes, metadata and license."""

import email
import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.distribution.conftest import build
from tests.distribution.installing import Distributions, install, run

pytestmark = [pytest.mark.distribution, pytest.mark.server]


def test_a_second_build_has_the_same_bytes(distributions: Distributions, root: Path, tmp_path: Path) -> None:
    """The second build uses another umask."""
    mask = os.umask(0o077)
    try:
        again = build(root, tmp_path)
    finally:
        os.umask(mask)
    for first, second in zip(distributions, again):
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes(), first.name


def test_twine_accepts_the_wheel_and_the_source_distribution(distributions: Distributions) -> None:
    printed = run(sys.executable, "-m", "twine", "--no-color", "check", "--strict", *distributions)
    assert printed.count("PASSED") == 2


def test_the_files_contain_the_license_the_hook_and_the_suffixes(distributions: Distributions) -> None:
    """The source distribution does not name the user who built it."""
    with zipfile.ZipFile(distributions.wheel) as archive:
        (folder,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = email.message_from_bytes(archive.read(f"{folder}/METADATA"))
        entry_points = archive.read(f"{folder}/entry_points.txt").decode()
        names = archive.namelist()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE", "target_tools/public_suffixes.NOTICE.txt"]
    assert metadata["Requires-Python"] == ">=3.8"
    assert "[pyinstaller40]" in entry_points
    assert "target_tools/public_suffixes.txt.gz" in names
    with tarfile.open(distributions.sdist) as archive:
        members = archive.getmembers()
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}


def test_the_bill_of_materials_lists_the_requirements(distributions: Distributions, tmp_path: Path) -> None:
    """The environment contains neither pip nor setuptools, as in ``make sbom``."""
    python = install(distributions.wheel, tmp_path / "venv")
    run(python, "-m", "pip", "--disable-pip-version-check", "uninstall", "--quiet", "--yes", "pip", "setuptools")
    report = tmp_path / "sbom.json"
    run(sys.executable, "-m", "cyclonedx_py", "environment", "--output-format", "JSON", "--output-file", report, python)
    components = json.loads(report.read_text())["components"]
    assert {each["name"].lower().replace("_", "-") for each in components} == {
        "target-python-sdk", "urllib3", "six", "typing-extensions",
    }  # fmt: skip
