# ruff: noqa: T201 - a command-line program prints
"""Runs the sample application under a WSGI server::

    python samples/wsgi/serve.py gunicorn
    python samples/wsgi/serve.py uwsgi --lazy-apps
    python samples/wsgi/serve.py            # the first installed server, or Python's own
    python samples/wsgi/serve.py --help     # lists the servers

All arguments except the server's name and ``--port`` are passed to the server. Unless ``TARGET_SERVER_DOMAIN`` is
set, the script also starts a Target edge on this machine, with the built-in sample activities. Ctrl+C stops both.
"""

import argparse
import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
from typing import Dict, Iterator, List, Optional, Tuple

HERE = os.path.dirname(os.path.abspath(__file__))

#: The servers with their executables, and the packages to install.
SERVERS: Dict[str, Tuple[str, str]] = {
    "gunicorn": ("gunicorn", "gunicorn"),
    "gunicorn-gthread": ("gunicorn", "gunicorn"),
    "gunicorn-gevent": ("gunicorn", "gunicorn gevent"),
    "uwsgi": ("uwsgi", "uwsgi"),
    "uwsgi-gevent": ("uwsgi", "uwsgi gevent"),
    "waitress": ("waitress-serve", "waitress"),
    "mod_wsgi": ("mod_wsgi-express", "mod_wsgi  (first install Apache: apt-get install apache2 apache2-dev)"),
    "wsgiref": ("python3", ""),  # the server of Python's standard library, for development
}
#: Recommended flags for production, in addition to those of ``command``. docs/wsgi.md explains them.
RECOMMENDED_FLAGS: Dict[str, Tuple[str, ...]] = {
    "gunicorn": ("--graceful-timeout", "10"),
    "gunicorn-gthread": ("--graceful-timeout", "10"),
    "gunicorn-gevent": ("--graceful-timeout", "10"),
    "uwsgi": ("--enable-threads",),
    "uwsgi-gevent": ("--enable-threads",),
}


def command(server: str, port: int, module: str, *extra: str) -> List[str]:
    """Return the command that serves ``application`` of ``module`` on that port of 127.0.0.1.

    The module must be in the working directory. Servers with worker processes get two of them. ``extra`` are further
    flags.
    """
    address = f"127.0.0.1:{port}"
    name = f"{module}:application"
    start = executable(server) or SERVERS[server][0]
    if server.startswith("gunicorn"):
        kind = server.partition("-")[2] or "sync"
        threads = ["--threads", "4"] if kind == "gthread" else []
        return [start, "--bind", address, "--workers", "2", "--worker-class", kind, *threads, *extra, name]
    if server.startswith("uwsgi"):
        # Without --die-on-term, SIGTERM reloads uWSGI. A uWSGI from the PATH needs the path of this environment.
        gevent = ["--gevent", "50", "--gevent-monkey-patch"] if server == "uwsgi-gevent" else []
        home = ["--virtualenv", sys.prefix] if sys.prefix != sys.base_prefix else []
        app_flags = ["--http-socket", address, "--module", name, "--need-app", *home]
        return [start, *app_flags, "--master", "--processes", "2", "--die-on-term", *gevent, *extra]
    if server == "waitress":
        return [start, "--listen", address, "--threads", "4", *extra, name]
    if server == "mod_wsgi":
        start_apache, user = _apache(start)
        app_flags = ["--application-type", "module", module, "--working-directory", "."]
        host = ["--host", "127.0.0.1", "--port", str(port), "--locale", "C.UTF-8", "--log-to-terminal"]
        return [*start_apache, "start-server", *app_flags, *host, "--processes", "2", "--threads", "4", *user, *extra]
    if server == "wsgiref":
        return ["env", f"PORT={port}", start, f"{module}.py", *extra]
    raise ValueError(f"unknown server: {server!r}")


def executable(server: str) -> Optional[str]:
    """Return the executable next to this interpreter or on the PATH, or None if it is not installed."""
    name = SERVERS[server][0]
    return shutil.which(name, path=os.path.dirname(sys.executable)) or shutil.which(name)


def stop_signal(server: str) -> "signal.Signals":
    """Return the signal for a graceful stop. Servers without a handler for SIGTERM would not run exit handlers."""
    return signal.SIGINT if server in ("waitress", "wsgiref") else signal.SIGTERM


def _apache(start: str) -> Tuple[List[str], List[str]]:
    """Return the command that starts mod_wsgi-express, and the flags for its user.

    Apache does not run as root. If only root can read the interpreter, for example because it is in root's pyenv,
    Apache runs as an unprivileged user with the one capability that it needs to read the files.
    """
    if os.getuid() != 0:
        return [start], []
    if all(map(_open_to_all, [os.path.realpath(sys.executable), os.path.realpath(start), os.getcwd()])):
        return [start], ["--user", "nobody", "--group", grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name]
    nobody = pwd.getpwnam("nobody")
    identity = ["--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups"]
    return ["setpriv", *identity, "--inh-caps", "+dac_override", "--ambient-caps", "+dac_override", start], []


def _open_to_all(path: str) -> bool:
    """Return whether every user can reach that file or folder."""
    while path != os.path.dirname(path):
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        path = os.path.dirname(path)
    return True


def missing(server: str) -> str:
    """Return what to install for a server, or an empty string if it is installed."""
    program, packages = SERVERS[server]
    start = executable(server)
    if start is None:
        return f"{program} is not installed: pip install {packages}"
    if server == "mod_wsgi" and _apache(start)[0][0] == "setpriv" and not shutil.which("setpriv"):
        return f"Apache does not run as root, and no other user can read {start}: setpriv is missing"
    return ""


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def environment(edge: str) -> Dict[str, str]:
    """Return the environment for a server whose application uses the edge at ``host:port``."""
    own_path = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    return {**os.environ, "TARGET_SERVER_DOMAIN": edge, "PYTHONPATH": os.pathsep.join([HERE, *own_path])}


def stop(process: "subprocess.Popen[bytes]", number: int, seconds: float) -> bool:
    """Send the signal ``number``; return whether the process ended within ``seconds``. Then kill its process group."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def _edge() -> Iterator[str]:
    """Yield the address of the edge that the environment names, or of a new local edge."""
    named = os.environ.get("TARGET_SERVER_DOMAIN")
    if named:
        yield named
        return
    from target_python_sdk.local_edge import LocalEdge  # noqa: PLC0415 - needed only without the variable

    with LocalEdge() as edge:
        yield edge.domain


def main(arguments: List[str]) -> int:
    """Serve until interrupted, and return the exit code."""
    parser = argparse.ArgumentParser(description="Run the sample application under a WSGI server.")
    installed = next(server for server in SERVERS if not missing(server))
    parser.add_argument("server", nargs="?", choices=list(SERVERS), default=installed, help="default: %(default)s")
    parser.add_argument("--port", type=int, default=0, help="default: 0, which selects a free port")
    chosen, extra = parser.parse_known_args(arguments)
    if missing(chosen.server):
        print(missing(chosen.server), file=sys.stderr)
        return 2
    # If a shell started this program in the background, SIGINT is ignored, and the server would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    port = chosen.port or free_port()
    with _edge() as edge:
        line = command(chosen.server, port, "app", *RECOMMENDED_FLAGS.get(chosen.server, ()), *extra)
        print(f"edge         http://{edge}\napplication  http://127.0.0.1:{port}\n$ {' '.join(line)}\n")
        # The server is in a new session, so Ctrl+C reaches only this process, which then sends the server one signal.
        server = subprocess.Popen(line, cwd=HERE, env=environment(edge), start_new_session=True)
        try:
            return server.wait()
        except KeyboardInterrupt:
            return 0 if stop(server, stop_signal(chosen.server), 15) else 1
        finally:
            stop(server, signal.SIGKILL, 5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
