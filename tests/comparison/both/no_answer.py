"""Calls without a server, in a separate process: 1.1.0 would call the host of an earlier call (B1)."""

from typing import Any, Callable, Dict

from environment import SESSION, Environment, request

SCENARIOS: Dict[str, Callable[[Environment], Any]] = {
    "connection refused": lambda env: env.offers(client=nowhere(env)),
    "connection refused, called back": lambda env: env.called_back(
        nowhere(env).get_offers, {"request": request(), "session_id": SESSION}
    ),
}


def nowhere(env: Environment) -> Any:
    """Create a client of a server that does not run."""
    return env.client(timeout=2000)
