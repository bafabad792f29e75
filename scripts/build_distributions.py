#!/usr/bin/env python3
"""Build the source distribution and the wheel reproducibly: ``scripts/build_distributions.py [--output FOLDER]``.

Only files that git tracks are packaged. Two builds of a commit with the same versions of Python and
setuptools have the same bytes: each file has the time of the commit, or ``SOURCE_DATE_EPOCH`` if it
is set, and a mode that does not depend on the umask. The wheel is built from the source
distribution. Needs git, and ``requirements/distribution.txt``. Prints the SHA-256 of each file.
"""

import argparse
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parent.parent


def copy_tracked_files(folder: Path) -> None:
    """Copy the tracked files of the checkout, including uncommitted changes, with the mode 755 or 644."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for name in os.fsdecode(listed).split("\0"):
        source = ROOT / name
        if not name or not source.is_file():
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def time_of_last_commit() -> int:
    """Return ``SOURCE_DATE_EPOCH``, or the time of the last commit, in seconds."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    shown = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return int(shown.stdout)


def rewrite_sdist(path: Path, epoch: int) -> None:
    """Make the times, owners, modes and order of the files in a source distribution independent of this machine."""
    buffer = io.BytesIO()
    with tarfile.open(path) as before, tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as after:
        for member in sorted(before.getmembers(), key=lambda each: each.name):
            member.mtime, member.pax_headers = epoch, {}
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            after.addfile(member, before.extractfile(member) if member.isfile() else None)
    path.write_bytes(gzip.compress(buffer.getvalue(), mtime=epoch))


def build(output: Path) -> List[Path]:
    """Build both distributions into ``output``, with the setuptools of this environment; return their paths."""
    epoch = time_of_last_commit()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output)]
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        copy_tracked_files(tree)
        old_mask = os.umask(0o022)
        try:
            done = subprocess.run([*command, str(tree)], env=environment, capture_output=True, text=True, check=False)
        finally:
            os.umask(old_mask)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    built = sorted(path for path in output.iterdir() if path.name.endswith((".whl", ".tar.gz")))
    for path in built:
        if path.name.endswith(".tar.gz"):
            rewrite_sdist(path, epoch)
    return built


def main() -> None:
    """Build, and print the digests."""
    parser = argparse.ArgumentParser(description="Build the source distribution and the wheel reproducibly.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="FOLDER", help="default: dist")
    output: Path = parser.parse_args().output
    for path in build(output):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")  # noqa: T201


if __name__ == "__main__":
    main()
