"""Nobody listens.  In a process of its own: 1.1.0 would ask the host that it asked before (B1)."""

from typing import Any, Callable, Dict

from world import SESSION, World, request

SCENARIOS: Dict[str, Callable[[World], Any]] = {
    "connection refused": lambda do: do.offers(client=nowhere(do)),
    "connection refused, called back": lambda do: do.called_back(
        nowhere(do).get_offers, {"request": request(), "session_id": SESSION}
    ),
}


def nowhere(do: World) -> Any:
    """A client of a server that is not there."""
    return do.client(timeout=2000)
