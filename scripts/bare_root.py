#!/usr/bin/env python3
"""Run the project's checks in a minimal Debian, from a clean clone: ``scripts/bare_root.py [COMMAND ...]``, as root.

Without COMMAND, all checks run in the stable suite, and the tests without servers in Debian
testing, which has a newer Python. In both, the built wheel is installed without a compiler.
debootstrap creates the root file system ("root" below), which contains only the packages that
``CONTRIBUTING.md`` requires. Each command runs in a separate mount and process namespace, so its
mounts and processes end with it. The root uses this machine's apt sources, pip settings and npm
settings.
"""

import argparse
import ast
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

CHECKOUT = Path(__file__).resolve().parent.parent
STABLE = "bookworm"
TESTS_WITHOUT_SERVERS = (
    'make .venv/.installed-test && .venv/bin/python -V && .venv/bin/python -m pytest -q -m "not server"'
)
#: Prints the first program in the README's quick start.
QUICK_START = "sed -n '/^## Quick start/,/^### /{/^```python/,/^```/p}' README.md | grep -v '^```'"
#: Builds the wheel, installs it outside the checkout with binary packages only, makes decisions, and runs the quick
#: start and the demo.
INSTALLED_WHEEL = (
    "! command -v cc && make dist && python3 -m venv /tmp/wheel && "
    "/tmp/wheel/bin/python -m pip install --quiet --only-binary :all: dist/*.whl && "
    f"cp tests/distribution/decide.py /tmp && {QUICK_START} > /tmp/quick_start.py && cd /tmp && "
    "wheel/bin/python -V && wheel/bin/python -I -W error decide.py && "
    "wheel/bin/python -I -W error quick_start.py && wheel/bin/target-sdk demo"
)
#: The default commands in each suite. ``.ci/run`` installs a compiler, so the wheel comes first.
COMMANDS = {
    STABLE: (INSTALLED_WHEEL, "make demo", "make test", ".ci/run"),
    "testing": (INSTALLED_WHEEL, "make demo", TESTS_WITHOUT_SERVERS),
}
#: The packages that CONTRIBUTING.md requires beforehand.
PACKAGES = ("python3", "python3-venv", "make", "git")
#: The clone in the root; its parent has no other folder, except with ``--shared``.
CLONE = "/build/target-python-sdk"
#: The folder in the root for files that pip and npm read, such as certificates. At their original paths, the package
#: ca-certificates would replace them.
COPIES = "/host-files"

#: A namespace with private propagation, so its mounts are invisible outside. They end with its last process.
NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")
MOUNT = """
set -eu
root=$1
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mkdir -m 755 "$root/dev/pts"
mkdir -m 1777 "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
"""
#: Shows a folder of this machine in the root, read-only.
BIND = """
mkdir -p "$root{target}"
mount --bind {source} "$root{target}"
mount -o remount,bind,ro "$root{target}"
"""
ENTER = 'shift; exec chroot "$root" "$@"'


class Root:
    """A minimal Debian in a folder."""

    def __init__(self, folder: Path, suite: str, share: bool) -> None:
        self.folder = folder
        self.suite = suite
        self._environment: Dict[str, str] = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
        }
        #: Folders of this machine, by their path in the root.
        self._bound: Dict[str, str] = {}
        if share:
            self._bound[str(Path(CLONE).parent / "shared")] = str(CHECKOUT.parent / "shared")

    def make(self) -> None:
        """Install Debian and :data:`PACKAGES`, unless the folder has them."""
        if not (self.folder / "etc/debian_version").exists():
            if shutil.which("debootstrap") is None:
                run("apt-get", "update", "-qq")
                run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap")
            sources = apt_sources(self.suite)
            run(*NAMESPACE, "debootstrap", "--variant=minbase", self.suite, str(self.folder), sources[0][0])
            self._write("etc/apt/sources.list", "".join(f"deb {' '.join(source)}\n" for source in sources))
            self._write("etc/apt/apt.conf.d/90host", apt_settings())
        self._write("etc/resolv.conf", Path("/etc/resolv.conf").read_text())
        self._write("etc/hosts", Path("/etc/hosts").read_text())
        self.run("apt-get update -qq")
        self.run(f"DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {' '.join(PACKAGES)}")

    def use_package_indexes(self) -> None:
        """Let pip and npm in the root use this machine's settings, and the files that these settings name."""
        for name, value in {**pip_settings(), **npm_settings()}.items():
            self._environment[name] = " ".join(self._made_available(word) for word in value.split())

    def clone(self) -> None:
        """Put a clean clone of the checkout's last commit into the root."""
        target = f"{self.folder}{CLONE}"
        shutil.rmtree(target, ignore_errors=True)
        run("git", "clone", "--quiet", "--no-hardlinks", str(CHECKOUT), target)
        run("chown", "-R", "0:0", target)

    def run(self, command: str, folder: str = "/") -> int:
        """Run a shell command in the root; return its exit status."""
        binds = (
            BIND.format(source=shlex.quote(source), target=shlex.quote(target))
            for target, source in self._bound.items()
        )
        inside = ["/bin/sh", "-c", f"cd {shlex.quote(folder)} && {command}"]
        script = MOUNT + "".join(binds) + ENTER
        argv = [*NAMESPACE, "sh", "-c", script, "sh", str(self.folder), *inside]
        return subprocess.run(argv, env=self._environment, stdin=subprocess.DEVNULL, check=False).returncode

    def _made_available(self, word: str) -> str:
        """Make a file or folder of this machine available in the root; return its name there."""
        path = Path(word[len("file://") :] if word.startswith("file:///") else word)
        if not path.is_absolute() or not path.exists():
            return word
        if path.is_dir():
            # The pages of a package index, in a folder named "simple", link to files beside that folder.
            folder = path.parent if path.name == "simple" else path
            self._bound[str(folder)] = str(folder)
            return word
        self._write(f"{COPIES}{path}", path.read_text())
        return f"{COPIES}{path}"

    def _write(self, path: str, text: str) -> None:
        file = self.folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def apt_sources(suite: str) -> List[Tuple[str, str, str]]:
    """Return mirror, suite and component of each apt source for ``suite``: first the suite, then its updates.

    If this machine has no source for ``suite``, use the mirror of the stable suite, which has all suites.
    """
    listed = output("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    sources: List[Tuple[str, str, str]] = []
    for line in dict.fromkeys(listed.splitlines()):
        mirror, release, component = line.split()
        sources.append((mirror, release, component))
    found = [source for source in sources if source[1] == suite]
    if found:
        return found + [source for source in sources if source[1] in (f"{suite}-updates", f"{suite}-security")]
    found = [(mirror, suite, component) for mirror, release, component in sources if release == STABLE]
    if not found:
        sys.exit(f"This machine has no apt source for the suite '{suite}' or '{STABLE}'")
    return found


def apt_settings() -> str:
    """Return this machine's apt settings for proxies and for disabled checks."""
    lines = output("apt-config", "dump").splitlines(keepends=True)
    return "".join(line for line in lines if re.match(r"Acquire::(http|https|Check-[\w-]+)\b", line))


def pip_settings() -> Dict[str, str]:
    """Return the settings of this machine's pip as environment variables."""
    by_source: Dict[str, Dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}  # later ones take precedence
    for line in output(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        source, _, option = name.partition(".")
        if source in by_source:
            by_source[source]["PIP_" + option.upper().replace("-", "_")] = str(ast.literal_eval(value))
    return {name: value for settings in by_source.values() for name, value in settings.items()}


def npm_settings() -> Dict[str, str]:
    """Return the settings of this machine's npm as environment variables, or no variables if npm is missing."""
    if shutil.which("npm") is None:
        return {}
    values = {option: output("npm", "config", "get", option).strip() for option in ("registry", "cafile", "proxy")}
    return {f"npm_config_{option}": value for option, value in values.items() if value not in ("", "null")}


def run(*argv: str) -> None:
    """Run a program that must succeed."""
    subprocess.run(argv, check=True)


def output(*argv: str) -> str:
    """Return the output of a program that must succeed."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def check(suite: str, folder: Path, commands: Sequence[str], share: bool) -> Dict[str, Tuple[int, float]]:
    """Create the root in ``folder`` and run the commands; return exit status and seconds by command."""
    root = Root(folder, suite, share)
    root.folder.mkdir(parents=True, exist_ok=True)
    root.folder.chmod(0o755)
    root.use_package_indexes()
    root.make()
    root.clone()
    results = {}
    for command in commands:
        print(f"\n==> Debian {suite}: {command}", flush=True)  # noqa: T201
        began = time.monotonic()
        results[command] = (root.run(command, CLONE), time.monotonic() - began)
    return results


def main() -> int:
    """Check each suite, print the results, and return the exit status."""
    parser = argparse.ArgumentParser(description="Run commands in a minimal Debian, from a clean clone.")
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help="default: all checks")
    parser.add_argument("--suite", choices=COMMANDS, help=f"default: all, or {STABLE} for given commands")
    parser.add_argument("--root", type=Path, help="keep the roots in this folder, by suite, and reuse them")
    parser.add_argument("--wheel", action="store_true", help="only install the built wheel and make decisions")
    parser.add_argument("--shared", action="store_true", help="bind ../shared, read-only, beside the clone")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a temporary root is removed, and its processes end
    if os.geteuid() != 0:
        sys.exit("debootstrap, mount and chroot require the user root")
    if given.shared and not (CHECKOUT.parent / "shared").is_dir():
        sys.exit("--shared: there is no folder 'shared' beside the checkout")
    if output("git", "-C", str(CHECKOUT), "status", "--porcelain"):
        print("Uncommitted changes are not in the clone", flush=True)  # noqa: T201
    if given.wheel:
        given.commands = [INSTALLED_WHEEL]
    suites = [given.suite] if given.suite else [STABLE] if given.commands else list(COMMANDS)
    summary = []
    failed = False
    for suite in suites:
        temporary = None if given.root else tempfile.mkdtemp(prefix="bare-root-", dir="/var/tmp")
        folder = Path(temporary) if temporary else given.root.resolve() / suite
        try:
            results = check(suite, folder, given.commands or COMMANDS[suite], given.shared)
        finally:
            if temporary:
                # Do not remove file systems that another program may have mounted there.
                subprocess.run(["rm", "-rf", "--one-file-system", temporary], check=False)
        for command, (status, seconds) in results.items():
            failed = failed or status != 0
            outcome = f"FAILED ({status})" if status else "ok"
            summary.append(f"  {outcome:12} {seconds:6.0f} s  Debian {suite}: {command}")
    print("\n".join(["\nSummary:", *summary]), flush=True)  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
