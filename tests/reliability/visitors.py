"""Visitors with distinguishable answers: each visitor has a marker, which the server puts into its answers."""

import contextlib
import json
import socket
from types import SimpleNamespace

from target_python_sdk.testing import response
from target_python_sdk.types import VisitorId
from tests.support import body_of, content, offers


def options_of(marker, **more):
    """Return the options of a call for the visitor ``marker``."""
    return {**offers(id=VisitorId(tnt_id=f"{marker}.35_0")), **more}


def fields_for(raw):
    """Return the answer to the request ``raw`` as a dict, with the marker of its visitor and its request id."""
    request = body_of(raw)
    tnt_id = request["id"]["tntId"]
    option = {"type": "html", "content": f"for {tnt_id}"}
    return {
        "status": 200,
        "requestId": request["requestId"],
        "client": "acmeclient",
        "id": {"tntId": tnt_id},
        "edgeHost": "mboxedge35.tt.omtrdc.net",
        "execute": {"mboxes": [{"index": 0, "name": "home", "options": [option]}]},
    }


def answer_to(raw):
    """Return the bytes of the answer to the request ``raw``."""
    return response(json.dumps(fields_for(raw)))


def belongs_to(envelope, marker):
    """Return whether offer, id and cookie are those of the visitor ``marker``."""
    tnt_id = f"{marker}.35_0"
    found = envelope["response"].id.tnt_id, content(envelope), f"#{tnt_id}#" in envelope["target_cookie"]["value"]
    return found == (tnt_id, f"for {tnt_id}", True)


def answer_each(connection):
    """Answer all requests of a connection."""
    while True:
        raw = connection.read_request()
        if not raw:
            return
        connection.send(answer_to(raw))


def forget_finished(server):
    """Delete a server's records, which would grow with the number of calls."""
    del server.requests[:]
    server._threads[:] = [thread for thread in server._threads if thread.is_alive()]


@contextlib.contextmanager
def unresponsive_port(family=socket.AF_INET, host="127.0.0.1"):
    """Yield a port that ignores attempts to connect, because the backlog of its listener is full."""
    with socket.socket(family) as listener, contextlib.ExitStack() as fillers:
        listener.bind((host, 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):
            filler = fillers.enter_context(socket.socket(family))
            filler.setblocking(False)
            filler.connect_ex(address)
        domain = f"{host}:{address[1]}"
        # After ``close`` the system refuses all connects, including pending ones.
        yield SimpleNamespace(address=address, port=address[1], domain=domain, close=listener.close)


def address_info(address, family=socket.AF_INET):
    """Return an entry of ``getaddrinfo``'s result."""
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
