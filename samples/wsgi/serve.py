# ruff: noqa: T201 - a sample shows what it does
"""The sample application under a real server, by one command each::

    python samples/wsgi/serve.py gunicorn
    python samples/wsgi/serve.py uwsgi --lazy-apps
    python samples/wsgi/serve.py            # names the servers

What follows the server's name goes to it as it stands.  Where ``TARGET_SERVER_DOMAIN`` is not set, a Target edge
is started on this machine, with the built-in sample of activities.  Ctrl-C stops everything.
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

#: The servers, each with its executable and the packages it comes in.
SERVERS: Dict[str, Tuple[str, str]] = {
    "gunicorn": ("gunicorn", "gunicorn"),
    "gunicorn-gthread": ("gunicorn", "gunicorn"),
    "gunicorn-gevent": ("gunicorn", "gunicorn gevent"),
    "uwsgi": ("uwsgi", "uwsgi"),
    "uwsgi-gevent": ("uwsgi", "uwsgi gevent"),
    "waitress": ("waitress-serve", "waitress"),
    "mod_wsgi": ("mod_wsgi-express", "mod_wsgi  (Apache beforehand: apt-get install apache2 apache2-dev)"),
}
#: Flags for production on top of what ``command`` says; why, is in docs/wsgi.md.
ADVISED: Dict[str, Tuple[str, ...]] = {
    "gunicorn": ("--graceful-timeout", "10"),
    "gunicorn-gthread": ("--graceful-timeout", "10"),
    "gunicorn-gevent": ("--graceful-timeout", "10"),
    "uwsgi": ("--enable-threads",),
    "uwsgi-gevent": ("--enable-threads",),
}


def command(server: str, port: int, module: str, *extra: str) -> List[str]:
    """How ``server`` serves ``application`` of ``module``, found in the working directory, on that port of loopback.

    With two worker processes where it has such (waitress has one), and nothing that it does not need; ``extra``
    are further flags of its own.
    """
    where = "127.0.0.1:{}".format(port)
    name = "{}:application".format(module)
    start = executable(server) or SERVERS[server][0]
    if server.startswith("gunicorn"):
        kind = server.partition("-")[2] or "sync"
        threads = ["--threads", "4"] if kind == "gthread" else []
        return [start, "--bind", where, "--workers", "2", "--worker-class", kind, *threads, *extra, name]
    if server.startswith("uwsgi"):
        # Without --die-on-term a SIGTERM reloads uWSGI.  One from the PATH does not know of our environment.
        gevent = ["--gevent", "50", "--gevent-monkey-patch"] if server == "uwsgi-gevent" else []
        home = ["--virtualenv", sys.prefix] if sys.prefix != sys.base_prefix else []
        served = ["--http-socket", where, "--module", name, "--need-app", *home]
        return [start, *served, "--master", "--processes", "2", "--die-on-term", *gevent, *extra]
    if server == "waitress":
        return [start, "--listen", where, "--threads", "4", *extra, name]
    if server == "mod_wsgi":
        start_apache, user = _apache(start)
        served = ["--application-type", "module", module, "--working-directory", "."]
        host = ["--host", "127.0.0.1", "--port", str(port), "--locale", "C.UTF-8", "--log-to-terminal"]
        return [*start_apache, "start-server", *served, *host, "--processes", "2", "--threads", "4", *user, *extra]
    raise ValueError("no such server: {}".format(server))


def executable(server: str) -> Optional[str]:
    """Where its executable is: beside this interpreter, else on the PATH; None if it is not installed."""
    name = SERVERS[server][0]
    return shutil.which(name, path=os.path.dirname(sys.executable)) or shutil.which(name)


def stop_signal(server: str) -> "signal.Signals":
    """What ends it in an orderly way.  Waitress knows no SIGTERM: it dies of it, without its exit handlers."""
    return signal.SIGINT if server == "waitress" else signal.SIGTERM


def _apache(start: str) -> Tuple[List[str], List[str]]:
    """How mod_wsgi-express is started, and the user it is told to be.

    Apache refuses to serve as root, and a root's interpreter may lie in a folder that nobody else may look into,
    as pyenv's does.  Then Apache runs as nobody, with the one right of root's that it needs for that.
    """
    if os.getuid() != 0:
        return [start], []
    if all(map(_open_to_all, [os.path.realpath(sys.executable), os.path.realpath(start), os.getcwd()])):
        return [start], ["--user", "nobody", "--group", grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name]
    nobody = pwd.getpwnam("nobody")
    identity = ["--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups"]
    return ["setpriv", *identity, "--inh-caps", "+dac_override", "--ambient-caps", "+dac_override", start], []


def _open_to_all(path: str) -> bool:
    """Whether every user gets to that file or folder."""
    while path != os.path.dirname(path):
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        path = os.path.dirname(path)
    return True


def missing(server: str) -> str:
    """What to install for a server that is not there; empty if it is."""
    program, packages = SERVERS[server]
    start = executable(server)
    if start is None:
        return "{} is not installed: pip install {}".format(program, packages)
    if server == "mod_wsgi" and _apache(start)[0][0] == "setpriv" and not shutil.which("setpriv"):
        return "Apache does not serve as root, and no other user gets to {}: setpriv is missing".format(start)
    return ""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def environment(edge: str) -> Dict[str, str]:
    """The variables for a server whose application asks the edge at ``host:port``."""
    found = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    return {**os.environ, "TARGET_SERVER_DOMAIN": edge, "PYTHONPATH": os.pathsep.join([HERE, *found])}


def ended(process: "subprocess.Popen[bytes]", number: int, seconds: float) -> bool:
    """Tell the process to stop; whether it did so in time.  It is gone, with all its children, when this returns."""
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
    """The edge that the environment names, else one of our own."""
    named = os.environ.get("TARGET_SERVER_DOMAIN")
    if named:
        yield named
        return
    from target_python_sdk.local_edge import LocalEdge  # noqa: PLC0415 - only where none is named

    with LocalEdge() as edge:
        yield edge.domain


def main(arguments: List[str]) -> int:
    """Serve until interrupted; the result is the exit code."""
    parser = argparse.ArgumentParser(description="The sample application under a real server.")
    parser.add_argument("server", choices=list(SERVERS))
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    chosen, extra = parser.parse_known_args(arguments)
    if missing(chosen.server):
        print(missing(chosen.server), file=sys.stderr)
        return 2
    # Both are inherited as "ignored" where a shell starts this in the background; the server would inherit it, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    port = chosen.port or free_port()
    with _edge() as edge:
        line = command(chosen.server, port, "app", *ADVISED.get(chosen.server, ()), *extra)
        print("edge         http://{}\napplication  http://127.0.0.1:{}\n$ {}\n".format(edge, port, " ".join(line)))
        # A group of its own, so that Ctrl-C reaches this process only, and the server is told once.
        server = subprocess.Popen(line, cwd=HERE, env=environment(edge), start_new_session=True)
        try:
            return server.wait()
        except KeyboardInterrupt:
            return 0 if ended(server, stop_signal(chosen.server), 15) else 1
        finally:
            ended(server, signal.SIGKILL, 5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
