"""Run the web samples in their servers, each with a local edge that has the activities of the sample."""

import contextlib
import sys
import urllib.error
import urllib.request
from typing import Any, Iterator, NamedTuple, Tuple

import pytest

from target_python_sdk.local_edge import LocalEdge
from tests.servers.processes import ROOT, Process, free_port
from tests.support import installing


class Sample(NamedTuple):
    """A sample and its server."""

    folder: str
    path: str
    server: Tuple[str, ...]
    modules: Tuple[str, ...]


GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}")
UVICORN = ("uvicorn", "--port", "{port}")
SAMPLES = {
    "flask, gunicorn": Sample("flask", "/prefetch", (*GUNICORN, "app:create_application()"), ("flask", "gunicorn")),
    "django, gunicorn": Sample("django", "/", (*GUNICORN, "shop.wsgi"), ("django", "gunicorn")),
    "django, uvicorn": Sample("django", "/async", (*UVICORN, "shop.asgi:application"), ("django", "uvicorn")),
}


class Site(NamedTuple):
    """A running sample."""

    address: str
    path: str
    edge: LocalEdge


@contextlib.contextmanager
def running(name: str) -> Iterator[Site]:
    """Run a sample, or skip the test if its server or its framework is not installed."""
    sample = SAMPLES[name]
    for module in sample.modules:
        pytest.importorskip(module, reason=f"{module} is not installed: {installing('servers')}")
    folder = ROOT / "samples" / sample.folder
    address = f"127.0.0.1:{free_port()}"
    command = [part.format(port=address.partition(":")[2]) for part in sample.server]
    with contextlib.ExitStack() as stack:
        edge = stack.enter_context(LocalEdge(folder / "activities.json"))
        server: Any = Process([sys.executable, "-m", *command], cwd=folder, TARGET_SERVER_DOMAIN=edge.domain)
        stack.enter_context(server)
        site = Site("http://" + address, sample.path, edge)
        server.until(lambda: answers(site.address), what="the first answer")
        yield site


def answers(address: str) -> bool:
    """Return whether a server answers. The requested path has no view, so the client of the sample makes no call."""
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address + "/nothing")
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return False
