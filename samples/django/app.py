# ruff: noqa: T201 - a command-line program prints
"""A page of a small shop with Django: a synchronous and an asynchronous view, displays, clicks, and at.js.

In a checkout, install Django in addition to the SDK, and run the sample::

    pip install django
    python samples/django/app.py

Then open the address that it prints. It starts a Target edge on this machine with the activities in
``activities.json``. Environment variables:

    TARGET_SERVER_DOMAIN   host:port of a running Target edge on this machine, to use instead of a new one
    PORT                   the port of the shop; default: 8000

``shop.wsgi`` and ``shop.asgi`` have the applications for other servers::

    cd samples/django
    TARGET_SERVER_DOMAIN=127.0.0.1:8080 gunicorn shop.wsgi
    TARGET_SERVER_DOMAIN=127.0.0.1:8080 uvicorn shop.asgi:application
"""

import contextlib
import os
from wsgiref.simple_server import make_server

from target_python_sdk.local_edge import LocalEdge

ACTIVITIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "activities.json")


def main() -> None:
    """Serve until Ctrl+C. Start an edge unless the environment names one."""
    with contextlib.ExitStack() as stack:
        if not os.environ.get("TARGET_SERVER_DOMAIN"):
            os.environ["TARGET_SERVER_DOMAIN"] = stack.enter_context(LocalEdge(ACTIVITIES)).domain
        from shop.wsgi import application  # noqa: PLC0415 - the client needs the address of the edge

        server = make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), application)
        print(f"Serving at http://127.0.0.1:{server.server_port}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
